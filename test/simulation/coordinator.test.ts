/**
 * Random histories of requests under limits, with late messages, deaths of workers, and
 * coordinators that are killed after any write to shared memory and start again on what is there.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { CompiledLimiter } from '../../src/config/compiled-config.js';
import { LimitWorld } from './limit-world.js';
import { isReplay, playSeeds, SimRandom } from './seeds.js';
import { installFuses } from './write-fuse.js';

const LIMITERS: readonly Partial<CompiledLimiter>[] = [
  { name: 'few', limit: 5, windowMs: 1000 },
  { name: 'exact log', limit: 120, windowMs: 1000 },
  { name: 'groups', limit: 300, windowMs: 2000 },
  { name: 'bucket', algorithm: 'tokenBucket', limit: 200, windowMs: 1000, burst: 150 },
  { name: 'fixed', algorithm: 'fixedWindow', limit: 100, windowMs: 1000 },
  { name: 'in flight', algorithm: 'inFlight', limit: 3, windowMs: 0 },
  { name: 'dear', limit: 10, windowMs: 500, cost: 3 },
  { name: 'dear bucket', algorithm: 'tokenBucket', limit: 10, windowMs: 1000, burst: 4, cost: 2 },
  { name: 'slow bucket', algorithm: 'tokenBucket', limit: 240, windowMs: 3000, burst: 220 },
  { name: 'large fixed', algorithm: 'fixedWindow', limit: 250, windowMs: 1500 },
];
const ROUTES = [
  ...[[0], [1], [2], [2], [3], [3], [4], [5], [8], [8], [9]],
  ...[
    [0, 5],
    [6, 7],
    [1, 3],
    [5, 2, 0],
    [2, 8],
    [3, 8, 9],
    [9, 2],
  ],
];

const totals = { passed: 0, granted: 0, kills: 0, refused: 0, returned: 0 };

function play(seed: number, killShare: number, steps: number): void {
  const random = new SimRandom(seed);
  const routes = Array.from({ length: 1 + random.below(3) }, () => random.pick(ROUTES));
  const workers = 1 + random.below(3);
  const failures = random.pick([0, 0, 0.6]);
  const wish = { limiters: LIMITERS, routes, keys: 1 + random.below(2), workers, failures };
  const world = new LimitWorld(wish, random, killShare > 0);
  for (let step = 0; step < steps; step += 1) {
    world.nowMs += random.pick([0, 0.3, 0.9, 1, 3 * random.next(), 20 * random.next()]);
    if (random.chance(0.05)) world.nowMs += 1000 * random.next();
    act(world, random, killShare);
  }
  world.settle();
  totals.passed += world.passed;
  totals.granted += world.granted;
  totals.refused += world.refused;
  totals.returned += world.returned;
  totals.kills += world.kills;
}

function act(world: LimitWorld, random: SimRandom, killShare: number): void {
  const lane = random.below(world.wish.workers);
  const burst = random.pick([1, 3, 20]);
  for (let count = 0; count < burst; count += 1) {
    world.request(lane, random.pick(world.wish.routes), 1 + random.below(world.wish.keys));
  }
  if (random.chance(0.9)) world.flush(lane);
  if (random.chance(0.8)) {
    world.step(random.chance(killShare) ? random.below(400) : Number.POSITIVE_INFINITY);
  }
  if (random.chance(0.7)) world.drain(lane);
  if (random.chance(0.3)) world.finish(random.next());
  if (random.chance(0.02)) world.killWorker(lane);
  if (random.chance(0.02)) world.restart();
}

describe('simulated coordinators', () => {
  beforeAll(installFuses);

  it('never let more through than the limits say, whatever is granted, late or lost', () => {
    playSeeds(700, (seed) => play(seed, 0, 40));
    if (isReplay()) return;
    expect(totals.granted).toBeGreaterThan(totals.passed / 100);
    expect(totals.refused).toBeGreaterThan(0);
    expect(totals.returned).toBeGreaterThan(0);
  });

  it('keep what they promised when they are killed after any write', () => {
    playSeeds(400, (seed) => play(seed, 0.35, 30));
    if (!isReplay()) expect(totals.kills).toBeGreaterThan(500);
  });
});
