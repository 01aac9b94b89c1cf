/** Who fetches a reply, as lanes that race for it see each other. */
import { describe, expect, it } from 'vitest';
import { allocateCache } from '../../../../src/channel/cache/cache-memory.js';
import { FetchLeases } from '../../../../src/channel/cache/fetch-leases.js';

const HASH = 77;
const NOW = 1_000_000;
const TIMEOUT = 5000;

/** Every word that another lane may see while this one takes a lease. */
function lookAtEachStore(step: () => void, look: () => void): void {
  const original = Atomics.store;
  Atomics.store = ((...args: Parameters<typeof original>) => {
    look();
    return original(...args);
  }) as typeof original;
  try {
    step();
  } finally {
    Atomics.store = original;
  }
}

describe('leases of fetches', () => {
  it('have one holder, who gives them back', () => {
    const memory = allocateCache(2, 0);
    const [one, other] = [new FetchLeases(memory, 0), new FetchLeases(memory, 1)];
    expect(one.take(HASH, NOW, TIMEOUT)).toBe('taken');
    expect(other.take(HASH, NOW, TIMEOUT)).toBe('wait');
    expect(other.take(HASH + 4096, NOW, TIMEOUT)).toBe('alone');
    one.giveBack(HASH, one.token);
    expect(other.take(HASH, NOW, TIMEOUT)).toBe('taken');
  });

  it('are waited for while their other words are not written yet', () => {
    const memory = allocateCache(2, 0);
    const [one, other] = [new FetchLeases(memory, 0), new FetchLeases(memory, 1)];
    const seen: string[] = [];
    lookAtEachStore(
      () => one.take(HASH, NOW, TIMEOUT),
      () => seen.push(other.take(HASH, NOW, TIMEOUT), String(other.isHeld(HASH, NOW, TIMEOUT))),
    );
    expect(new Set(seen)).toEqual(new Set(['wait', 'true']));
  });

  it('are held by a lane whose clock is a little ahead', () => {
    const memory = allocateCache(2, 0);
    const [one, other] = [new FetchLeases(memory, 0), new FetchLeases(memory, 1)];
    one.take(HASH, NOW + 3, TIMEOUT);
    expect([other.take(HASH, NOW, TIMEOUT), other.isHeld(HASH, NOW, TIMEOUT)]).toEqual([
      'wait',
      true,
    ]);
  });

  it('are taken over after their time, and dropped by the successor of who died', () => {
    const memory = allocateCache(2, 0);
    const [one, other] = [new FetchLeases(memory, 0), new FetchLeases(memory, 1)];
    one.take(HASH, NOW, TIMEOUT);
    expect(other.take(HASH, NOW + TIMEOUT, TIMEOUT)).toBe('taken');
    expect(one.isHeld(HASH, NOW, TIMEOUT)).toBe(true);
    expect(new FetchLeases(memory, 1).isHeld(HASH, NOW, TIMEOUT)).toBe(false);
  });
});
