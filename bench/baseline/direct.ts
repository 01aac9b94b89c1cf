/**
 * No gateway: the load goes straight to the origin. The ceiling for everything else; its CPU
 * time is the origin's own.
 */
import type { Contender } from '../gateway/contender.js';

export const direct: Contender = {
  name: 'direct',
  abilities: ['grpc', 'websocket'],

  missing() {
    return '';
  },

  version() {
    return 'no gateway';
  },

  async plan({ originPorts, originGrpcPort, originSocketPort }) {
    const others = { grpcPort: originGrpcPort, socketPort: originSocketPort };
    const ports = { port: originPorts[0], ...others };
    return { ...ports, command: [], nameThreads: async () => () => 'origin' };
  },
};
