/**
 * No gateway: the load goes straight to the origin. The ceiling for everything else; its CPU
 * time is the origin's own.
 */
import type { Contender, RunningContender } from '../gateway/contender.js';

export const direct: Contender = {
  name: 'direct',

  missing() {
    return '';
  },

  async start(setup): Promise<RunningContender> {
    return {
      child: setup.origin,
      port: setup.originPort,
      version: 'no gateway',
      nameThread: () => 'origin',
    };
  },
};
