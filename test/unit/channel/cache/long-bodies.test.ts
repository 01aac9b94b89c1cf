/** Copies of long bodies that all replies of one thread share. */
import { describe, expect, it } from 'vitest';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import { HalfSipHash } from '../../../../src/base/half-sip-hash.js';
import { allocateCache } from '../../../../src/channel/cache/cache-memory.js';
import { CacheStore } from '../../../../src/channel/cache/cache-store.js';
import { LongBodies } from '../../../../src/channel/cache/long-bodies.js';

const MIB = 2 ** 20;
const HEAD = {
  ...{ variant: '', status: 200, fields: NO_FIELDS, date: '', bornMs: 1, bornUnixMs: 1 },
  ...{ freshMs: 1000 },
  ...{ whileRevalidateMs: 0, ifErrorMs: 0, isAlwaysValidated: true, serials: [] },
};

describe('long bodies', () => {
  it('are copied once for all replies of a thread, until their entry is another', () => {
    const memory = allocateCache(1, 16 * MIB);
    const store = new CacheStore(memory, 0, new HalfSipHash(1, 2));
    const read = (): Buffer | null | undefined => store.find('a', () => true)?.copyBody();
    store.put({ ...HEAD, key: 'a' }, Buffer.alloc(MIB, 'x'), store.serials.purges);
    const first = read();
    expect(first?.equals(Buffer.alloc(MIB, 'x'))).toBe(true);
    expect(read()).toBe(first);
    store.put({ ...HEAD, key: 'a' }, Buffer.alloc(MIB, 'y'), store.serials.purges);
    expect(read()?.equals(Buffer.alloc(MIB, 'y'))).toBe(true);
    expect(first?.equals(Buffer.alloc(MIB, 'x'))).toBe(true);
    store.find('a', () => true)?.kill();
    expect(read()).toBeUndefined();
  });

  it('are each of one entry: shorter ones, other slots and sequences have none', () => {
    const bodies = new LongBodies();
    expect([bodies.takes(64 * 1024), bodies.takes(64 * 1024 + 1)]).toEqual([false, true]);
    const body = Buffer.alloc(10);
    bodies.keep(1, 2, 4, body);
    expect(bodies.find(1, 2, 4)).toBe(body);
    expect([bodies.find(0, 2, 4), bodies.find(1, 3, 4)]).toEqual([null, null]);
    expect([bodies.find(1, 2, 6), bodies.find(1, 2, 4)]).toEqual([null, null]);
  });

  it('are shared by replies under way, also when they are too many to be kept', () => {
    const bodies = new LongBodies();
    const held = Array.from({ length: 20 }, (_, slot) => Buffer.alloc(MIB, slot));
    for (const [slot, body] of held.entries()) bodies.keep(0, slot, 2, body);
    for (const [slot, body] of held.entries()) expect(bodies.find(0, slot, 2)).toBe(body);
    bodies.keep(0, 20, 2, Buffer.alloc(5 * MIB));
    for (let slot = 0; slot < 300; slot++) bodies.keep(1, slot, 2, Buffer.alloc(1));
    expect(bodies.find(0, 0, 2)).toBeNull();
    expect(bodies.find(1, 299, 2)?.length).toBe(1);
  });
});
