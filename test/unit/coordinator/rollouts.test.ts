/** The shares of splits, as the coordinator moves them, on a virtual clock. */
import { beforeEach, describe, expect, it } from 'vitest';
import { latencyBucket } from '../../../src/base/latency-buckets.js';
import {
  ORDER_HOLD,
  ORDER_RESUME,
  ORDER_SET,
  REASON_ERRORS,
  REASON_LATENCY,
  REASON_OPERATOR,
  ROLLOUT_BACK,
  ROLLOUT_GROWING,
  ROLLOUT_HELD,
  ROLLOUT_REACHED,
} from '../../../src/base/rollout-words.js';
import {
  allocateRollouts,
  clearRollout,
  RolloutView,
  RolloutWriter,
  SIDE_NEW,
  SIDE_OLD,
} from '../../../src/channel/coordinator/rollout-memory.js';
import type { UnitedRollout } from '../../../src/config/shared/unite-configs.js';
import { type RolloutChange, Rollouts } from '../../../src/coordinator/rollouts.js';
import { seededRandom } from '../../../src/policy/load-balancing/seeded-random.js';

const ROWS = 4;
const LANES = 3;
const CAPACITY = { routes: 8, upstreams: 8, targets: 8, limiters: 8, rollouts: ROWS };
const RULE: UnitedRollout = {
  index: 1,
  route: 'api',
  oldSide: 'v1',
  newSide: 'v2',
  fromShare: 100,
  toShare: 5000,
  overMs: 3_600_000,
  guard: { errorsFactor: 2, p99Factor: 1.5, minRequests: 200 },
};

let memory: { readonly rollouts: SharedArrayBuffer };
let changes: RolloutChange[];
let view: RolloutView;
let workers: RolloutWriter[];
let nowMs: number;

beforeEach(() => {
  memory = { rollouts: allocateRollouts(LANES, ROWS) };
  changes = [];
  view = new RolloutView(memory.rollouts, ROWS);
  workers = Array.from({ length: LANES }, (_, at) => new RolloutWriter(memory.rollouts, at, ROWS));
  nowMs = 1_000_000;
});

function start(...rollouts: UnitedRollout[]): Rollouts {
  const listener = { onRolloutChange: (change: RolloutChange) => void changes.push(change) };
  return new Rollouts({ rollouts, capacity: CAPACITY }, memory, listener);
}

/** As the duty cycle does: more often than there is something to do. */
function pass(rollouts: Rollouts, seconds: number, each: () => void = () => {}): void {
  for (let tick = 0; tick < seconds * 10; tick += 1) {
    nowMs += 100;
    if (tick % 10 === 0) each();
    rollouts.onTick(nowMs);
  }
}

/** Requests of one second, shared among the sides and the workers. */
function traffic(
  perSecond: number,
  isBad: (side: 'old' | 'new') => boolean,
  msOf: (side: 'old' | 'new') => number = () => 20,
  random = seededRandom(3),
): () => void {
  return () => {
    for (let nth = 0; nth < perSecond; nth += 1) {
      const side = random() * 10_000 < view.shareOf(1) ? 'new' : 'old';
      const worker = workers[nth % LANES];
      const bucket = latencyBucket(msOf(side));
      worker?.count(1, side === 'new' ? SIDE_NEW : SIDE_OLD, isBad(side), bucket);
    }
  };
}

describe('a ramp', () => {
  it('begins at once, grows by time, and says when it is done', () => {
    const rollouts = start(RULE);
    expect(workers.map((worker) => worker.shareOf(1))).toEqual([100, 100, 100]);
    pass(rollouts, 1800);
    expect(view.shareOf(1)).toBeGreaterThan(2540);
    expect(view.shareOf(1)).toBeLessThanOrEqual(2550);
    expect(changes).toEqual([]);
    pass(rollouts, 1810);
    expect(view.shareOf(1)).toBe(5000);
    expect(changes).toEqual([{ rolloutIndex: 1, phase: ROLLOUT_REACHED, reason: 0 }]);
  });

  it('goes on under the next coordinator where it was, without the time between', () => {
    pass(start(RULE), 1800);
    const before = view.shareOf(1);
    nowMs += 600_000;
    const next = start(RULE);
    expect(view.shareOf(1)).toBe(before);
    pass(next, 2);
    expect(view.shareOf(1) - before).toBeLessThan(10);
    expect(view.phaseOf(1)).toBe(ROLLOUT_GROWING);
  });

  it('does not jump after a thread was held up', () => {
    const rollouts = start(RULE);
    pass(rollouts, 10);
    nowMs += 3_000_000;
    pass(rollouts, 1);
    expect(view.shareOf(1)).toBeLessThan(150);
  });

  it('goes on over a reload, and begins anew in a row that was cleared', () => {
    const rollouts = start(RULE);
    pass(rollouts, 1800);
    const before = view.shareOf(1);
    rollouts.adopt({ rollouts: [{ ...RULE, guard: null }], capacity: CAPACITY });
    pass(rollouts, 1);
    expect(view.shareOf(1)).toBeGreaterThanOrEqual(before);
    rollouts.adopt({ rollouts: [], capacity: CAPACITY });
    clearRollout(memory.rollouts, 1);
    expect(rollouts.nextDueMs).toBe(Number.POSITIVE_INFINITY);
    rollouts.adopt({ rollouts: [RULE], capacity: CAPACITY });
    expect(view.shareOf(1)).toBe(100);
  });

  it('rests while only a version that is not in force has it', () => {
    const rollouts = start({ ...RULE, isResting: true });
    pass(rollouts, 1800);
    expect(view.shareOf(1)).toBe(100);
    rollouts.adopt({ rollouts: [RULE], capacity: CAPACITY });
    pass(rollouts, 1800);
    expect(view.shareOf(1)).toBeGreaterThan(2540);
  });

  it('begins anew when the version in force has it again', () => {
    const rollouts = start(RULE);
    pass(rollouts, 1800);
    rollouts.adopt({ rollouts: [{ ...RULE, isResting: true }], capacity: CAPACITY });
    pass(rollouts, 10);
    rollouts.adopt({ rollouts: [RULE], capacity: CAPACITY });
    expect(workers.map((worker) => worker.shareOf(1))).toEqual([100, 100, 100]);
    pass(rollouts, 10);
    expect(view.shareOf(1)).toBeLessThan(130);
  });
});

describe('a guard', () => {
  it('leaves two sides that are alike alone, whatever their errors', () => {
    const random = seededRandom(11);
    const rollouts = start(RULE);
    pass(
      rollouts,
      3700,
      traffic(100, () => random() < 0.02),
    );
    expect(view.shareOf(1)).toBe(5000);
    expect(view.backsOf(1)).toBe(0);
  });

  it('takes a bad side back as soon as there is enough to judge by, and not before', () => {
    const random = seededRandom(5);
    const rollouts = start(RULE);
    let news = 0;
    const isBad = (side: 'old' | 'new'): boolean => {
      if (side === 'new') news += 1;
      return side === 'new' && random() < 1 / 10;
    };
    pass(rollouts, 900, traffic(100, isBad));
    expect(view.phaseOf(1)).toBe(ROLLOUT_BACK);
    expect(workers.map((worker) => worker.shareOf(1))).toEqual([0, 0, 0]);
    expect(changes).toEqual([{ rolloutIndex: 1, phase: ROLLOUT_BACK, reason: REASON_ERRORS }]);
    expect(news).toBeGreaterThanOrEqual(200);
    expect(news).toBeLessThan(260);
    const { old, next, timesBack } = view.figuresOf(1);
    expect(timesBack).toBe(1);
    expect(old.errors).toBe(0);
    expect(next.errors).toBeGreaterThan(5);
  });

  it('takes a slow side back', () => {
    const random = seededRandom(5);
    const rollouts = start(RULE);
    const msOf = (side: 'old' | 'new') => (side === 'new' && random() < 0.08 ? 300 : 20);
    pass(
      rollouts,
      900,
      traffic(100, () => false, msOf),
    );
    expect(changes).toEqual([{ rolloutIndex: 1, phase: ROLLOUT_BACK, reason: REASON_LATENCY }]);
  });

  it('sees a side that was good for long and is bad now', () => {
    const rollouts = start(RULE);
    const good = traffic(200, () => false);
    pass(rollouts, 1800, good);
    expect(view.phaseOf(1)).toBe(ROLLOUT_GROWING);
    const random = seededRandom(9);
    const bad = traffic(200, (side) => side === 'new' && random() < 0.05);
    pass(rollouts, 60, bad);
    expect(view.phaseOf(1)).toBe(ROLLOUT_BACK);
  });

  it('keeps what it took back, under the next coordinator too', () => {
    const rollouts = start(RULE);
    pass(
      rollouts,
      900,
      traffic(100, (side) => side === 'new'),
    );
    expect(view.phaseOf(1)).toBe(ROLLOUT_BACK);
    const next = start(RULE);
    pass(
      next,
      600,
      traffic(100, () => false),
    );
    expect(view.shareOf(1)).toBe(0);
    expect(changes).toHaveLength(1);
  });
});

describe('an operator', () => {
  const FIXED = { ...RULE, fromShare: 1000, toShare: 1000, overMs: 0 };

  it('is obeyed in the next tick, once, by whichever coordinator there is', () => {
    const rollouts = start(RULE);
    pass(rollouts, 5);
    const serial = view.order(1, ORDER_SET, 4200);
    rollouts.lookNow();
    rollouts.onTick(nowMs + 1);
    expect(view.isObeyed(1, serial)).toBe(true);
    expect(view.figuresOf(1)).toMatchObject({ phase: ROLLOUT_HELD, share: 4200 });
    view.order(1, ORDER_RESUME, 0);
    pass(start(RULE), 2);
    expect(view.phaseOf(1)).toBe(ROLLOUT_GROWING);
    expect(changes.map(({ reason }) => reason)).toEqual([REASON_OPERATOR, REASON_OPERATOR]);
  });

  it('who resumes is judged by what comes from then on', () => {
    const rollouts = start(FIXED);
    let isBad = true;
    const load = traffic(100, (side) => side === 'new' && isBad);
    pass(rollouts, 120, load);
    expect(view.phaseOf(1)).toBe(ROLLOUT_BACK);
    isBad = false;
    view.order(1, ORDER_RESUME, 0);
    pass(rollouts, 120, load);
    expect(view.figuresOf(1)).toMatchObject({ phase: ROLLOUT_REACHED, share: 1000 });
    view.order(1, ORDER_HOLD, 0);
    isBad = true;
    pass(rollouts, 300, load);
    expect(view.figuresOf(1)).toMatchObject({ phase: ROLLOUT_BACK, timesBack: 2 });
  });
});
