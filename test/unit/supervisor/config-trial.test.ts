import { describe, expect, it } from 'vitest';
import { latencyBucket } from '../../../src/base/latency-buckets.js';
import {
  allocateRollouts,
  type RolloutSide,
  RolloutWriter,
  SIDE_NEW,
  SIDE_OLD,
} from '../../../src/channel/coordinator/rollout-memory.js';
import { ConfigTrial } from '../../../src/supervisor/config-trial.js';
import { FakeClock } from '../../support/fake-clock.js';

const GUARD = { errorsFactor: 2, p99Factor: 1.5, minRequests: 50 };
const FOR_MS = 10_000;

function begin() {
  const memory = allocateRollouts(2, 1);
  const clock = new FakeClock();
  const [first, second] = [new RolloutWriter(memory, 0, 1), new RolloutWriter(memory, 1, 1)];
  // What an earlier trial has left says nothing.
  for (let count = 0; count < 500; count += 1) first.count(0, SIDE_NEW, true, 100);
  let deaths = 3;
  const rule = { workers: 1, percent: 10, forMs: FOR_MS, guard: GUARD };
  const trial = new ConfigTrial({ rule, epoch: 7, memory, clock, deaths: () => deaths });
  let fate = '';
  trial.outcome().then(
    () => {
      fate = 'taken';
    },
    (error: Error) => {
      fate = error.message;
    },
  );
  const ask = (side: RolloutSide, count: number, errors: number, ms = 10): void => {
    const writer = side === SIDE_NEW ? first : second;
    for (let nth = 0; nth < count; nth += 1) {
      writer.count(0, side, nth < errors, latencyBucket(ms));
    }
  };
  const passed = async (ms: number): Promise<string> => {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
    return fate;
  };
  return { trial, ask, passed, die: () => (deaths += 1) };
}

describe('a configuration on trial', () => {
  it('is taken when its time is over and it did as well', async () => {
    const { trial, ask, passed } = begin();
    ask(SIDE_OLD, 1000, 10);
    ask(SIDE_NEW, 300, 3);
    expect(await passed(FOR_MS - 1000)).toBe('');
    expect(trial.figures()).toMatchObject({
      epoch: 7,
      endsInMs: 1000,
      inForce: { requests: 1000, errors: 10 },
      onTrial: { requests: 300, errors: 3 },
    });
    expect(await passed(1000)).toBe('taken');
  });

  it('is taken back as soon as more fails than chance explains', async () => {
    const { ask, passed } = begin();
    ask(SIDE_OLD, 1000, 10);
    ask(SIDE_NEW, 49, 49);
    expect(await passed(1000)).toBe('');
    ask(SIDE_NEW, 51, 0);
    expect(await passed(1000)).toContain('49 of 100 requests failed or were refused');
  });

  it('is taken back when it is slower', async () => {
    const { ask, passed } = begin();
    ask(SIDE_OLD, 1000, 0, 20);
    ask(SIDE_NEW, 950, 0, 20);
    expect(await passed(1000)).toBe('');
    ask(SIDE_NEW, 50, 0, 90);
    expect(await passed(1000)).toContain('99 % of 1000 requests took up to');
  });

  it('is taken where nobody has asked for anything', async () => {
    expect(await begin().passed(FOR_MS)).toBe('taken');
  });

  it('is taken back when a worker dies with it, and when something else is wanted', async () => {
    const one = begin();
    one.die();
    expect(await one.passed(1000)).toContain('a worker died');
    const other = begin();
    other.trial.abort('the gateway stops');
    expect(await other.passed(0)).toContain('the gateway stops');
  });
});
