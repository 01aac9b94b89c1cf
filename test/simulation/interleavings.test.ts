/**
 * Any interleaving of workers, grants, returns, deaths and restarts: fast-check looks for one that
 * lets too much through, and makes it as short as it can.
 */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { CompiledLimiter } from '../../src/config/compiled-config.js';
import { LimitWorld } from './limit-world.js';
import { SimRandom } from './seeds.js';

const WORKERS = 3;
const LANE = fc.nat(WORKERS - 1);

/** What happens next. */
const EVENT = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant('request'), LANE, fc.integer({ max: 40, min: 1 })) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('flush'), LANE, fc.constant(0)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('decide'), LANE, fc.constant(0)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('drain'), LANE, fc.constant(0)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('wait'), LANE, fc.integer({ min: 1, max: 12 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('rest'), LANE, fc.integer({ min: 1, max: 1500 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('die'), LANE, fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('restart'), LANE, fc.constant(0)) },
);

const LIMITERS: readonly Partial<CompiledLimiter>[] = [
  { name: 'exact log', limit: 110, windowMs: 1000 },
  { name: 'groups', limit: 200, windowMs: 1000 },
  { name: 'bucket', algorithm: 'tokenBucket', limit: 200, windowMs: 1000, burst: 200 },
  { name: 'slow bucket', algorithm: 'tokenBucket', limit: 200, windowMs: 4000, burst: 200 },
  { name: 'fixed', algorithm: 'fixedWindow', limit: 210, windowMs: 1000 },
];

function play(world: LimitWorld, [what, lane, amount]: readonly [string, number, number]): void {
  switch (what) {
    case 'request':
      for (let count = 0; count < amount; count += 1)
        world.request(lane, world.wish.routes[0] ?? [], 1);
      break;
    case 'flush':
      world.flush(lane);
      break;
    case 'decide':
      world.step();
      break;
    case 'drain':
      world.drain(lane);
      break;
    case 'die':
      world.killWorker(lane);
      break;
    case 'restart':
      world.restart();
      break;
    default:
      world.nowMs += amount / 2;
  }
}

describe('any interleaving', () => {
  const each = LIMITERS.map((limiter) => [limiter]);
  for (const limiters of [...each, LIMITERS.slice(1)]) {
    const names = limiters.map(({ name }) => name).join(', ');
    it(`lets through no more than the limits say (${names})`, () => {
      fc.assert(
        fc.property(fc.array(EVENT, { maxLength: 150, size: 'max' }), (events) => {
          const route = limiters.map((_, index) => index);
          const wish = { limiters, routes: [route], keys: 1, workers: WORKERS };
          const world = new LimitWorld(wish, new SimRandom(1), false);
          for (const event of events) play(world, event);
          world.settle();
        }),
        { numRuns: 80 },
      );
    });
  }
});
