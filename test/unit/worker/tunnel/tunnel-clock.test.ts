import { describe, expect, it } from 'vitest';
import { DEFAULT_WEBSOCKET } from '../../../../src/worker/tunnel/handshake.js';
import { TunnelClock } from '../../../../src/worker/tunnel/tunnel-clock.js';

const NEVER = Number.POSITIVE_INFINITY;

function aClock(rules: Partial<typeof DEFAULT_WEBSOCKET> = {}, tokenEndsMs = NEVER): TunnelClock {
  const clock = new TunnelClock({ ...DEFAULT_WEBSOCKET, idleMs: 1000, ...rules });
  clock.open(100, tokenEndsMs);
  return clock;
}

describe('the clock of a tunnel', () => {
  it('ends it when nothing comes from either side', () => {
    const clock = aClock();
    expect(clock.nextMs).toBe(1100);
    clock.onTarget(600);
    expect(clock.takeDue(1100)).toBeNull();
    expect(clock.nextMs).toBe(1600);
    expect(clock.takeDue(1600)).toMatchObject({ kind: 'close', code: 1001 });
  });

  it('ends it when it is too old, however much comes', () => {
    const clock = aClock({ maxLifetimeMs: 1500 });
    for (const nowMs of [500, 1000, 1500]) clock.onClient(nowMs);
    expect(clock.nextMs).toBe(1600);
    expect(clock.takeDue(1600)).toMatchObject({ kind: 'close', code: 1001 });
  });

  it('ends it with its credentials where that is asked for, at once if they have ended', () => {
    expect(aClock({ tokenExpiryCode: 0 }, 300).takeDue(300)).toBeNull();
    expect(aClock({ tokenExpiryCode: 4444 }, 300).takeDue(299)).toBeNull();
    const due = { kind: 'close', code: 4444 };
    expect(aClock({ tokenExpiryCode: 4444 }, 300).takeDue(300)).toMatchObject(due);
    const late = aClock({ tokenExpiryCode: 4444 }, -5);
    expect(late.nextMs).toBe(-5);
    expect(late.takeDue(100)).toMatchObject(due);
  });

  it('pings, and ends it after three pings without an answer', () => {
    const clock = aClock({ idleMs: 1e6, pingIntervalMs: 100 });
    expect(clock.takeDue(200)).toEqual({ kind: 'ping' });
    expect(clock.takeDue(200)).toBeNull();
    clock.onClient(250);
    expect(clock.takeDue(300)).toEqual({ kind: 'ping' });
    clock.onTarget(350);
    expect(clock.takeDue(400)).toEqual({ kind: 'ping' });
    expect(clock.takeDue(500)).toEqual({ kind: 'ping' });
    expect(clock.takeDue(600)).toMatchObject({ kind: 'close', code: 1001 });
  });

  it('waits for nothing but the ends once it closes', () => {
    const clock = aClock({ pingIntervalMs: 100, maxLifetimeMs: 200 });
    clock.beginClosing(5000);
    expect(clock.nextMs).toBe(5000);
    expect(clock.takeDue(4999)).toBeNull();
    expect(clock.takeDue(5000)).toEqual({ kind: 'giveUp' });
  });
});
