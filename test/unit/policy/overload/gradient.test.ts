import { describe, expect, it } from 'vitest';
import {
  type GradientRule,
  type GradientSample,
  type GradientState,
  initialGradient,
  PHASE_ADAPTING,
  PHASE_DRAINING,
  PHASE_MEASURING,
  stepGradient,
} from '../../../../src/policy/overload/gradient.js';

const RULE: GradientRule = {
  minConcurrency: 3,
  maxConcurrency: 100,
  bufferPercent: 25,
  minRttIntervalMs: 60_000,
  minRttRequests: 50,
  jitterPercent: 15,
};
const IDLE: GradientSample = {
  inFlight: 0,
  windowCount: 0,
  windowRttMs: 0,
  phaseCount: 0,
  phaseRttMs: 0,
};
const AT = { nowMs: 1000, random: 0 };

function adapting(limit: number, more: Partial<GradientState> = {}): GradientState {
  return {
    phase: PHASE_ADAPTING,
    limit,
    limitBefore: limit,
    minRttMs: 20,
    nextMeasureMs: 60_000,
    windowsAtMin: 0,
    ...more,
  };
}

function seen(rttMs: number, more: Partial<GradientSample> = {}): GradientSample {
  return { ...IDLE, windowCount: 10, windowRttMs: rttMs, ...more };
}

describe('the latency without load', () => {
  it('is measured first, when no more than the least limit is in flight', () => {
    let state = initialGradient(RULE);
    expect(state).toMatchObject({ phase: PHASE_DRAINING, limit: 3 });
    state = stepGradient(RULE, state, { ...IDLE, inFlight: 4 }, AT);
    expect(state.phase).toBe(PHASE_DRAINING);
    state = stepGradient(RULE, state, { ...IDLE, inFlight: 3 }, AT);
    expect(state).toMatchObject({ phase: PHASE_MEASURING, limit: 3 });
  });

  it('is that of the fiftieth request, not of the forty-ninth', () => {
    const state = { ...initialGradient(RULE), phase: PHASE_MEASURING } as const;
    const at = (phaseCount: number) =>
      stepGradient(RULE, state, { ...IDLE, phaseCount, phaseRttMs: 7 }, AT);
    expect(at(49)).toMatchObject({ phase: PHASE_MEASURING, limit: 3 });
    expect(at(50)).toMatchObject({ phase: PHASE_ADAPTING, minRttMs: 7, nextMeasureMs: 61_000 });
  });

  it('is measured again after the interval and what chance adds, with the limit kept', () => {
    const measuring = { ...adapting(3, { limitBefore: 40 }), phase: PHASE_MEASURING } as const;
    const done = stepGradient(
      RULE,
      measuring,
      { ...IDLE, phaseCount: 50, phaseRttMs: 21 },
      { nowMs: 0, random: 0.5 },
    );
    expect(done).toMatchObject({ limit: 40, minRttMs: 21, nextMeasureMs: 64_500 });
    const before = stepGradient(RULE, done, IDLE, { nowMs: 64_499, random: 0 });
    expect(before.phase).toBe(PHASE_ADAPTING);
    const after = stepGradient(RULE, before, IDLE, { nowMs: 64_500, random: 0 });
    expect(after).toMatchObject({ phase: PHASE_DRAINING, limit: 3, limitBefore: 40 });
  });

  it('is measured again when the limit stays at the least for five windows', () => {
    let state = adapting(3);
    for (let window = 1; window <= 5; window++) {
      state = stepGradient(RULE, state, seen(1000), AT);
      expect(state).toMatchObject({ phase: PHASE_ADAPTING, limit: 3, windowsAtMin: window });
    }
    expect(stepGradient(RULE, state, seen(1000), AT).phase).toBe(PHASE_DRAINING);
  });
});

describe('a measurement for which the upstream does not empty', () => {
  const STREAMS = { ...IDLE, inFlight: 10 };

  it('is given up after 5 s, with the limit and the latency kept, and comes an interval later', () => {
    let state = stepGradient(RULE, adapting(40), STREAMS, { nowMs: 60_000, random: 0 });
    expect(state).toMatchObject({ phase: PHASE_DRAINING, limit: 3, limitBefore: 40 });
    state = stepGradient(RULE, state, STREAMS, { nowMs: 64_999, random: 0.5 });
    expect(state.phase).toBe(PHASE_DRAINING);
    state = stepGradient(RULE, state, STREAMS, { nowMs: 65_000, random: 0.5 });
    expect(state).toEqual(adapting(40, { nextMeasureMs: 65_000 + 64_500 }));
  });

  it('is given up 5 s after the last answer, too, when all of its places are taken', () => {
    const full = { ...IDLE, inFlight: 3 };
    let state = stepGradient(RULE, adapting(40), full, { nowMs: 60_000, random: 0 });
    state = stepGradient(RULE, state, full, { nowMs: 61_000, random: 0 });
    expect(state.phase).toBe(PHASE_MEASURING);
    state = stepGradient(RULE, state, { ...full, windowCount: 1 }, { nowMs: 64_000, random: 0 });
    state = stepGradient(RULE, state, full, { nowMs: 68_999, random: 0 });
    expect(state.phase).toBe(PHASE_MEASURING);
    const givenUp = stepGradient(RULE, state, full, { nowMs: 69_000, random: 0 });
    expect(givenUp).toEqual(adapting(40, { nextMeasureMs: 69_000 + 60_000 }));
    // Whoever has few requests is measured for as long as that takes.
    const quiet = stepGradient(RULE, state, { ...IDLE, inFlight: 2 }, { nowMs: 90_000, random: 0 });
    expect(quiet.phase).toBe(PHASE_MEASURING);
  });

  it('gets twice the places every 5 s when it is the first, up to the most', () => {
    const rule = { ...RULE, maxConcurrency: 8 };
    const step = (state: GradientState, sample: GradientSample, nowMs: number) =>
      stepGradient(rule, state, sample, { nowMs, random: 0 });
    let state = step(initialGradient(rule), STREAMS, 1000);
    state = step(state, STREAMS, 5999);
    expect(state).toMatchObject({ phase: PHASE_DRAINING, limit: 3 });
    state = step(state, STREAMS, 6000);
    expect(state).toMatchObject({ phase: PHASE_DRAINING, limit: 6 });
    state = step(state, { ...STREAMS, inFlight: 6 }, 6100);
    expect(state).toMatchObject({ phase: PHASE_MEASURING, limit: 6 });
    const full = { ...IDLE, inFlight: 6 };
    state = step(step(state, full, 11_099), full, 11_100);
    expect(state).toMatchObject({ phase: PHASE_MEASURING, limit: 8 });
    // What holds the places goes on holding them.
    state = step(state, { ...IDLE, inFlight: 7, phaseCount: 50, phaseRttMs: 7 }, 11_200);
    expect(state).toMatchObject({ phase: PHASE_ADAPTING, limit: 8, minRttMs: 7 });
  });
});

describe('the limit', () => {
  it('grows while latency is within the buffer', () => {
    for (const rttMs of [1, 20, 25]) {
      expect(stepGradient(RULE, adapting(10), seen(rttMs), AT).limit).toBeGreaterThan(10);
    }
  });

  it('falls when latency is far above, by half at most', () => {
    expect(stepGradient(RULE, adapting(64), seen(50), AT).limit).toBe(32 + 5);
    expect(stepGradient(RULE, adapting(64), seen(50_000), AT).limit).toBe(32 + 5);
  });

  it('stays within its bounds', () => {
    expect(stepGradient(RULE, adapting(90), seen(20), AT).limit).toBe(100);
    expect(stepGradient(RULE, adapting(3), seen(9999), AT).limit).toBe(3);
  });

  it('is left alone by a window in which nothing was answered', () => {
    expect(stepGradient(RULE, adapting(10), IDLE, AT)).toEqual(adapting(10));
  });

  it.each([
    [8, 20],
    [2, 5],
    [50, 100],
  ])('finds an upstream that does %i at once in %i ms', (atOnce, workMs) => {
    // Little's law: with more in flight than it can do at once, latency grows in proportion.
    let state = adapting(3, { minRttMs: workMs });
    const limits: number[] = [];
    for (let window = 0; window < 200; window++) {
      const rttMs = workMs * Math.max(1, state.limit / atOnce);
      state = stepGradient(RULE, state, seen(rttMs), AT);
      limits.push(state.limit);
    }
    const settled = limits.slice(-20);
    expect(Math.min(...settled)).toBeGreaterThanOrEqual(atOnce);
    expect(Math.max(...settled)).toBeLessThanOrEqual(3 * atOnce + 9);
  });
});
