/**
 * Small limits are exact: in random histories on whole milliseconds every verdict, and what each
 * reply says of the tightest limit, is that of models that are too simple to be wrong.
 */
import { describe, expect, it } from 'vitest';
import { VERDICT_ADMITTED } from '../../src/channel/coordinator/coordinator-records.js';
import type { CompiledLimiter } from '../../src/config/compiled-config.js';
import { aCoordinatorConfig, aLimiter, CoordinatorRig } from '../support/coordinator-rig.js';
import { playSeeds, SimRandom } from './seeds.js';

/** Says how many admissions are left, and takes one. */
interface Model {
  left(nowMs: number): number;
  take(nowMs: number): void;
}

function modelOf({ algorithm, limit, windowMs, burst, cost }: CompiledLimiter): Model {
  const taken: number[] = [];
  if (algorithm === 'slidingWindow') {
    return {
      left: (nowMs) =>
        Math.floor(limit / cost) - taken.filter((atMs) => nowMs - atMs < windowMs).length,
      take: (nowMs) => taken.push(nowMs),
    };
  }
  if (algorithm === 'fixedWindow') {
    let startMs = Number.NEGATIVE_INFINITY;
    const current = (nowMs: number) => nowMs < startMs + windowMs;
    return {
      left: (nowMs) =>
        Math.floor(limit / cost) -
        (current(nowMs) ? taken.filter((atMs) => atMs >= startMs).length : 0),
      take: (nowMs) => {
        if (!current(nowMs)) startMs = nowMs;
        taken.push(nowMs);
      },
    };
  }
  // In units of 1 / windowMs of a token, so that nothing is rounded.
  let level = burst * windowMs;
  let lastMs = 0;
  const levelAt = (nowMs: number) => Math.min(burst * windowMs, level + (nowMs - lastMs) * limit);
  return {
    left: (nowMs) => Math.floor(levelAt(nowMs) / (cost * windowMs)),
    take: (nowMs) => {
      level = levelAt(nowMs) - cost * windowMs;
      lastMs = nowMs;
    },
  };
}

const ALGORITHMS = ['slidingWindow', 'tokenBucket', 'fixedWindow'] as const;

function play(seed: number): void {
  const random = new SimRandom(seed);
  const limiters = Array.from({ length: 1 + random.below(4) }, (_, index) => {
    const limit = random.pick([1, 2, 5, 17, 18, 19, 40]);
    const burst = 1 + random.below(2 * limit);
    const algorithm = random.pick(ALGORITHMS);
    const most = algorithm === 'tokenBucket' ? burst : limit;
    const cost = random.pick([1, 1, Math.min(3, most)]);
    const windowMs = random.pick([100, 333, 1000]);
    const mode = random.pick(['enforce', 'enforce', 'shadow'] as const);
    return aLimiter({ limit, burst, algorithm, cost, windowMs, mode }, index);
  });
  const config = aCoordinatorConfig({ limiters, workers: 2, trackedClients: 256 });
  const rig = new CoordinatorRig(config);
  const models = new Map<string, Model>();
  let nowMs = 10;
  for (let step = 0; step < 60; step += 1) {
    nowMs += random.pick([0, 0, 1, random.below(20), random.below(150)]);
    if (random.chance(0.05)) rig.restartCoordinator();
    const key = random.below(3);
    const chosen = limiters.filter(() => random.chance(0.7));
    const cases = chosen.map((limiter) => {
      const name = `${limiter.index} ${key}`;
      const model = models.get(name) ?? modelOf(limiter);
      models.set(name, model);
      return { limiter, model, left: model.left(nowMs) };
    });
    const limits = chosen.map(({ index }) => [index, key, key * 3] as const);
    const reply = rig.ask(nowMs, { limits }, random.below(2));
    const refusing = cases.filter(({ limiter, left }) => left < 1 && limiter.mode === 'enforce');
    const isAdmitted = refusing.length === 0;
    expect(reply.verdict === VERDICT_ADMITTED, `verdict at ${nowMs}`).toBe(isAdmitted);
    if (isAdmitted) for (const { left, model } of cases) if (left >= 1) model.take(nowMs);
    const spoken = (isAdmitted ? cases : refusing).filter(
      ({ limiter }) => limiter.mode !== 'shadow',
    );
    const tightest = Math.min(...spoken.map(({ model }) => model.left(nowMs)));
    if (spoken.length === 0) expect(reply.limiterIndex).toBe(-1);
    else {
      const told = spoken.find(({ limiter }) => limiter.index === reply.limiterIndex);
      expect(told?.model.left(nowMs), `left at ${nowMs}`).toBe(tightest);
    }
  }
}

describe('small limits', () => {
  it('are exact to the last request, whatever limits an ask has', () => {
    playSeeds(1000, play);
  });
});
