/** When acceptors that die again and again are started again. */
import { beforeEach, describe, expect, it } from 'vitest';
import { AcceptorRests, NEVER } from '../../../src/supervisor/acceptor-rests.js';

let rests: AcceptorRests;
let nowMs: number;

beforeEach(() => {
  rests = new AcceptorRests(2);
  nowMs = 1_000_000;
});

/** Dies this many times, `livesMs` after each start. */
function die(acceptor: number, times: number, livesMs = 100): number[] {
  return Array.from({ length: times }, () => {
    nowMs += livesMs;
    const restMs = rests.onDeath(acceptor, nowMs);
    nowMs += Math.max(0, restMs);
    return restMs;
  });
}

describe('an acceptor that dies', () => {
  it('starts again at once, and rests longer and longer when it dies again and again', () => {
    expect(die(0, 5)).toEqual([0, 0, 0, 0, 0]);
    expect(die(0, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  it('starts again at once for ever where it dies now and then', () => {
    expect(new Set(die(0, 50, 15_000))).toEqual(new Set([0]));
  });

  it('begins anew when a thread of it was sound', () => {
    die(0, 7);
    expect(die(0, 5, 60_000)).toEqual([0, 0, 0, 0, 0]);
  });

  it('takes nothing from others', () => {
    die(0, 9);
    expect(die(1, 3)).toEqual([0, 0, 0]);
  });
});

describe('all acceptors', () => {
  it('are given up when each of them dies again and again', () => {
    expect(die(0, 6).at(-1)).toBe(1000);
    expect(die(1, 6).at(-1)).toBe(NEVER);
  });

  it('are not, where the other one has run for long since', () => {
    die(0, 6);
    nowMs += 60_000;
    expect(die(1, 6).at(-1)).toBe(1000);
  });

  it('are, where there is one', () => {
    rests = new AcceptorRests(1);
    expect(die(0, 6)).toEqual([0, 0, 0, 0, 0, NEVER]);
  });
});
