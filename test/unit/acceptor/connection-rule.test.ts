import { expect, it } from 'vitest';
import { connectionRule, inFlightMax } from '../../../src/acceptor/connection-rule.js';
import { aCoordinatorConfig } from '../../support/coordinator-rig.js';

/** Measured: an idle gateway, by its acceptors and as many workers. */
const FILES_OPEN = [
  [1, 38],
  [2, 49],
  [4, 69],
  [16, 189],
] as const;

it.each(FILES_OPEN)(
  '%i acceptors and their workers have files beside all clients',
  (threads, own) => {
    const config = { ...aCoordinatorConfig({ workers: threads }), acceptors: threads };
    for (const filesMax of [512, 1024, 4096]) {
      const { connectionsMax } = connectionRule(config, filesMax);
      const targets = inFlightMax(config, filesMax);
      expect(targets).toBe(Math.min(config.limits.inFlight, filesMax / 2));
      expect(own + connectionsMax + targets).toBeLessThanOrEqual(filesMax - 50);
      expect(connectionsMax).toBeGreaterThan(filesMax / 2 - 100 - 10 * threads);
    }
    const roomy = connectionRule(config, Number.POSITIVE_INFINITY);
    expect(roomy.connectionsMax).toBe(config.limits.connections);
    expect(inFlightMax(config, Number.POSITIVE_INFINITY)).toBe(config.limits.inFlight);
  },
);
