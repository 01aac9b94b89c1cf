/** How the share of a new side moves. */
import { describe, expect, it } from 'vitest';
import {
  ORDER_BACK,
  ORDER_HOLD,
  ORDER_RESUME,
  ORDER_SET,
  ROLLOUT_BACK,
  ROLLOUT_GROWING,
  ROLLOUT_HELD,
  ROLLOUT_REACHED,
} from '../../../../src/base/rollout-words.js';
import {
  afterOrder,
  afterTime,
  firstState,
  takenBack,
} from '../../../../src/policy/traffic/rollout.js';

const HOUR_MS = 3_600_000;
const PACE = { fromShare: 100, toShare: 5000, overMs: HOUR_MS };
const FIXED = { fromShare: 500, toShare: 500, overMs: 0 };

describe('a share', () => {
  it('grows evenly from one end to the other, and no further', () => {
    let state = firstState(PACE);
    expect(state).toEqual({ phase: ROLLOUT_GROWING, share: 100, grownMs: 0 });
    state = afterTime(PACE, state, HOUR_MS / 2);
    expect(state).toMatchObject({ phase: ROLLOUT_GROWING, share: 2550 });
    state = afterTime(PACE, state, HOUR_MS);
    expect(state).toMatchObject({ phase: ROLLOUT_REACHED, share: 5000 });
    expect(afterTime(PACE, state, HOUR_MS)).toBe(state);
    expect(firstState(FIXED)).toMatchObject({ phase: ROLLOUT_REACHED, share: 500 });
  });

  it('never shrinks with time, nor when the clock goes back', () => {
    let state = firstState(PACE);
    let before = state.share;
    for (let step = 0; step < 4000; step += 1) {
      state = afterTime(PACE, state, step % 7 === 0 ? -500 : 1000);
      expect(state.share).toBeGreaterThanOrEqual(before);
      before = state.share;
    }
    expect(state.phase).toBe(ROLLOUT_GROWING);
  });

  it('waits while it is held, and goes on where it was', () => {
    const half = afterTime(PACE, firstState(PACE), HOUR_MS / 2);
    const held = afterOrder(PACE, half, ORDER_HOLD, 0);
    expect(held).toMatchObject({ phase: ROLLOUT_HELD, share: 2550 });
    expect(afterTime(PACE, held, HOUR_MS)).toBe(held);
    const resumed = afterOrder(PACE, held, ORDER_RESUME, 0);
    expect(resumed).toEqual(half);
  });

  it('is what an operator sets, and grows on from there', () => {
    const set = afterOrder(PACE, firstState(PACE), ORDER_SET, 2550);
    expect(set).toMatchObject({ phase: ROLLOUT_HELD, share: 2550 });
    const resumed = afterOrder(PACE, set, ORDER_RESUME, 0);
    expect(resumed).toMatchObject({ phase: ROLLOUT_GROWING, share: 2550 });
    const above = afterOrder(PACE, set, ORDER_SET, 9000);
    expect(above.share).toBe(9000);
    expect(afterOrder(PACE, above, ORDER_RESUME, 0)).toMatchObject({
      phase: ROLLOUT_REACHED,
      share: 5000,
    });
    expect(afterOrder(FIXED, set, ORDER_RESUME, 0).share).toBe(500);
  });

  it('that was taken back stays at nothing until somebody resumes or sets it', () => {
    const half = afterTime(PACE, firstState(PACE), HOUR_MS / 2);
    for (const back of [takenBack(half), afterOrder(PACE, half, ORDER_BACK, 0)]) {
      expect(back).toMatchObject({ phase: ROLLOUT_BACK, share: 0 });
      expect(afterTime(PACE, back, HOUR_MS)).toBe(back);
      expect(afterOrder(PACE, back, ORDER_HOLD, 0)).toBe(back);
      expect(afterOrder(PACE, back, ORDER_RESUME, 0)).toEqual(firstState(PACE));
      expect(afterOrder(PACE, back, ORDER_SET, 300)).toMatchObject({ share: 300 });
    }
  });
});
