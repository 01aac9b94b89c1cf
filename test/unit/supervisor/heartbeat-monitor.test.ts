import { describe, expect, it } from 'vitest';
import { systemClock, type Timer } from '../../../src/base/clock.js';
import { HeartbeatMonitor, watchHeartbeat } from '../../../src/supervisor/heartbeat-monitor.js';

const RULE = { intervalMs: 100, silentLooksMax: 4 };

class Rig {
  beats = 0;
  waitedMs = 0;
  nowMs = 1000;
  readonly watch = new HeartbeatMonitor(RULE, {
    beats: () => this.beats,
    waitedMs: () => this.waitedMs,
  });

  /** Verdicts of a number of looks, each a time apart. */
  looks(count: number, apartMs = RULE.intervalMs): boolean[] {
    return Array.from({ length: count }, () => {
      this.nowMs += apartMs;
      return this.watch.look(this.nowMs);
    });
  }
}

it('is doubted at the second look without a beat, until there is one again or a verdict', () => {
  let [beats, nowMs] = [0, 0];
  const heard: unknown[] = [];
  const due: (() => void)[] = [];
  const every = (_ms: number, step: () => void): Timer => {
    due.push(step);
    return { cancel: () => void due.pop() };
  };
  const clock = { ...systemClock, nowMs: () => nowMs, every };
  const thread = { beats: () => beats, osThreadId: () => 0 };
  const onHang = (): void => void heard.push('hangs');
  watchHeartbeat(thread, { ...RULE, doubtLooks: 2 }, clock, onHang, (is) => heard.push(is));
  const look = (): number => {
    nowMs += RULE.intervalMs;
    due[0]?.();
    return heard.length;
  };
  expect([look(), look(), look(), look()]).toEqual([0, 0, 1, 1]);
  beats += 1;
  expect([look(), look(), look()]).toEqual([2, 2, 3]);
  expect([look(), look()]).toEqual([3, 4]);
  expect(heard).toEqual([true, false, true, 'hangs']);
  expect(due).toEqual([]);
});

describe('a heartbeat', () => {
  it('that stops is found at the fourth look without one, not before', () => {
    const rig = new Rig();
    expect(rig.looks(1 + 3)).toEqual([false, false, false, false]);
    expect(rig.looks(1)).toEqual([true]);
  });

  it('that comes once in three looks is well, also when its number wraps', () => {
    const rig = new Rig();
    rig.beats = 0x7fffffff;
    for (let round = 0; round < 10; round++) {
      expect(rig.looks(3)).toEqual([false, false, false]);
      rig.beats = (rig.beats + 1) | 0;
    }
  });

  it('is not missed by a watcher that was held up itself', () => {
    const rig = new Rig();
    rig.looks(1);
    expect(rig.looks(20, 5 * RULE.intervalMs).some(Boolean)).toBe(false);
  });

  it('of a thread that had no CPU is waited for, but not for ever', () => {
    const rig = new Rig();
    rig.looks(1);
    const verdicts = Array.from({ length: 16 }, () => {
      rig.waitedMs += 0.9 * RULE.intervalMs;
      return rig.looks(1)[0];
    });
    expect(verdicts.indexOf(true)).toBe(15);
  });

  it('of a thread that had some CPU is not waited for', () => {
    const rig = new Rig();
    rig.looks(1);
    const verdicts = Array.from({ length: 4 }, () => {
      rig.waitedMs += 0.4 * RULE.intervalMs;
      return rig.looks(1)[0];
    });
    expect(verdicts.at(-1)).toBe(true);
  });

  it('is judged by the looks alone where the kernel does not tell', () => {
    const rig = new Rig();
    rig.waitedMs = Number.NaN;
    rig.looks(4);
    expect(rig.looks(1)).toEqual([true]);
  });
});
