/** The store of replies: what is found where, what goes first, and who fetches. */
import { describe, expect, it } from 'vitest';
import { field, NO_FIELDS } from '../../../../src/base/field-block.js';
import { HalfSipHash } from '../../../../src/base/half-sip-hash.js';
import { BODY_BLOCKS_BYTES, BodyBlocks } from '../../../../src/channel/body-blocks.js';
import type { EntryHead } from '../../../../src/channel/cache/cache-entry.js';
import { allocateCache } from '../../../../src/channel/cache/cache-memory.js';
import { purgeCache } from '../../../../src/channel/cache/cache-purge.js';
import { CacheSegment } from '../../../../src/channel/cache/cache-segment.js';
import { CacheStore } from '../../../../src/channel/cache/cache-store.js';
import { FetchLeases } from '../../../../src/channel/cache/fetch-leases.js';
import { HotBodies } from '../../../../src/channel/cache/hot-bodies.js';

const BYTES = 4 * 2 ** 20;

function storesOf(lanes: number, bytes = BYTES) {
  const memory = allocateCache(lanes, bytes);
  const stores = memory.segments.map(
    (_, lane) => new CacheStore(memory, lane, new HalfSipHash(1, 2)),
  );
  const [first, second = first] = stores;
  if (first === undefined || second === undefined) throw new Error('no store');
  return { memory, first, second };
}

function headOf(key: string, wish: Partial<EntryHead> = {}): EntryHead {
  return {
    ...{ key, variant: '', status: 200, fields: NO_FIELDS, date: '', bornMs: 1, bornUnixMs: 1 },
    ...{ freshMs: 1000, whileRevalidateMs: 2, ifErrorMs: 3, isAlwaysValidated: true, serials: [] },
    ...wish,
  };
}

const ANY = (): boolean => true;
const put = (store: CacheStore, head: EntryHead, body = 'body'): boolean =>
  store.put(head, Buffer.from(body), store.serials.purges);
const bodyIn = (store: CacheStore, key: string): string | undefined =>
  store.find(key, ANY)?.copyBody()?.toString();

describe('a store', () => {
  it('gives back in every worker what one has stored', () => {
    const { first, second } = storesOf(2);
    const head = headOf('a', { fields: field('x', 'y'), date: 'today', variant: 'v', serials: [] });
    expect(put(first, head)).toBe(true);
    const found = second.find('a', (variant) => variant === 'v');
    expect(found?.head).toEqual(head);
    expect(found?.copyBody()?.toString()).toBe('body');
    expect(second.find('a', (variant) => variant === 'w')).toBeNull();
    expect([second.has('a'), second.has('b')]).toEqual([true, false]);
  });

  it('puts the newer reply in place of the older one, whoever has stored it', () => {
    const { memory, first, second } = storesOf(2);
    put(first, headOf('a', { bornMs: 9 }), 'old');
    put(second, headOf('a', { bornMs: 5 }), 'new');
    expect(bodyIn(first, 'a')).toBe('new');
    const live = memory.segments.map((segment) => new CacheSegment(segment).count().entries);
    expect(live).toEqual([0, 1]);
  });

  it('keeps variants beside each other', () => {
    const { first } = storesOf(1);
    put(first, headOf('a', { variant: 'v' }), 'one');
    put(first, headOf('a', { variant: 'w' }), 'two');
    expect(
      first
        .find('a', (variant) => variant === 'v')
        ?.copyBody()
        ?.toString(),
    ).toBe('one');
    expect(
      first
        .find('a', (variant) => variant === 'w')
        ?.copyBody()
        ?.toString(),
    ).toBe('two');
  });

  it('does not find what was stored under another serial of its place', () => {
    const { first } = storesOf(1);
    const place = first.hashOf('/a');
    const serials = [place, first.serials.of(place)];
    put(first, headOf('a', { serials }));
    expect(bodyIn(first, 'a')).toBe('body');
    first.serials.move(place);
    expect(bodyIn(first, 'a')).toBeUndefined();
    // It was asked for before that.
    put(first, headOf('a', { serials }));
    expect(bodyIn(first, 'a')).toBeUndefined();
    put(first, headOf('a', { serials: [place, first.serials.of(place)] }));
    expect(bodyIn(first, 'a')).toBe('body');
  });

  it('takes nothing that is too long', () => {
    const { first } = storesOf(1);
    expect(put(first, headOf('a'), 'x'.repeat(BYTES / 2))).toBe(false);
    expect(put(first, headOf('a'), 'x'.repeat(BYTES / 8))).toBe(true);
  });

  it('keeps what is asked for while others pass once', () => {
    const { first } = storesOf(1);
    const body = 'x'.repeat(1000);
    for (let key = 0; key < 100; key++) put(first, headOf(`hot ${key}`), body);
    for (let passed = 0; passed < 8000; passed++) {
      put(first, headOf(`cold ${passed}`), body);
      if (passed % 10 === 0) first.find(`hot ${(passed / 10) % 100}`, ANY)?.use();
    }
    const left = Array.from({ length: 100 }, (_, key) => bodyIn(first, `hot ${key}`));
    expect(left.filter((one) => one !== undefined).length).toBeGreaterThan(80);
    expect(first.evicted).toBeGreaterThan(4000);
  });

  it('holds as much as it has memory, and not more', () => {
    const { memory, first } = storesOf(1);
    for (let key = 0; key < 20_000; key++) put(first, headOf(`${key}`), 'x'.repeat(key % 300));
    const [segment] = memory.segments;
    const { entries, bytes } = new CacheSegment(segment as SharedArrayBuffer).count();
    expect(bytes).toBeLessThan(BYTES);
    expect(entries).toBeGreaterThan(2000);
  });
});

describe('a purge', () => {
  it('takes away what it is about, in all workers', () => {
    const { memory, first, second } = storesOf(2);
    put(first, headOf('a'));
    put(second, headOf('b'));
    expect(purgeCache(memory, ({ key }) => key === 'b', false)).toBe(1);
    expect([bodyIn(second, 'a'), bodyIn(first, 'b')]).toEqual(['body', undefined]);
  });

  it('makes stale what it is about, if it is soft', () => {
    const { memory, first } = storesOf(1);
    put(first, headOf('a'));
    purgeCache(memory, ANY, true);
    expect(first.find('a', ANY)?.isSoft).toBe(true);
  });

  it('keeps out what was asked for before it', () => {
    const { memory, first } = storesOf(1);
    const { purges } = first.serials;
    purgeCache(memory, ANY, false);
    expect(first.put(headOf('a'), Buffer.from('late'), purges)).toBe(false);
    expect(bodyIn(first, 'a')).toBeUndefined();
  });
});

describe('leases', () => {
  it('let one fetch, and others wait until it is done', () => {
    const { memory } = storesOf(2);
    const [one, two] = [new FetchLeases(memory, 0), new FetchLeases(memory, 1)];
    expect([one.take(7, 0, 1000), two.take(7, 1, 1000), one.take(7, 1, 1000)]).toEqual([
      'taken',
      'wait',
      'wait',
    ]);
    expect(two.isHeld(7, 2, 1000)).toBe(true);
    one.giveBack(7, one.token);
    expect([two.isHeld(7, 2, 1000), two.take(7, 2, 1000)]).toEqual([false, 'taken']);
  });

  it('let another take over when one has taken too long, and keep the late one out', () => {
    const { memory } = storesOf(2);
    const [one, two] = [new FetchLeases(memory, 0), new FetchLeases(memory, 1)];
    one.take(7, 0, 1000);
    const late = one.token;
    expect([two.take(7, 999, 1000), two.take(7, 1000, 1000)]).toEqual(['wait', 'taken']);
    one.giveBack(7, late);
    expect(one.take(7, 1001, 1000)).toBe('wait');
  });

  it('are free when their worker has died and the next one begins', () => {
    const { memory } = storesOf(2);
    const dead = new FetchLeases(memory, 0);
    const other = new FetchLeases(memory, 1);
    dead.take(7, 0, 1000);
    other.take(8, 0, 1000);
    expect(new FetchLeases(memory, 0).take(7, 1, 1000)).toBe('taken');
    expect(dead.take(8, 1, 1000)).toBe('wait');
  });

  it('are not waited for where replies are not stored, for a while', () => {
    const { memory } = storesOf(1);
    const leases = new FetchLeases(memory, 0);
    leases.pass(7, 10_000);
    expect([leases.take(7, 0, 1000), leases.take(7, 10_000, 1000)]).toEqual(['alone', 'taken']);
    // Another key at the same place.
    expect(leases.take(7 + 4096, 10_001, 1000)).toBe('alone');
  });
});

describe('bodies that go out in this turn', () => {
  const hot = () => {
    const memory = allocateCache(1, BYTES);
    const blocks = new BodyBlocks(new SharedArrayBuffer(BODY_BLOCKS_BYTES), 0);
    const lane = { blocks, giveBack: (block: Buffer) => void blocks.giveBack(block) };
    const store = new CacheStore(memory, 0, new HalfSipHash(1, 2), new HotBodies(lane));
    return { memory, blocks, lane, store };
  };
  const bodyNow = (store: CacheStore, key: string): Buffer | null | undefined =>
    store.find(key, ANY)?.copyBody(true);

  it('lie in one block for all hits of an entry, and in no other entry', () => {
    const { blocks, store } = hot();
    put(store, headOf('a'), 'a'.repeat(5000));
    put(store, headOf('b'), 'b'.repeat(65_536));
    const [first, second] = [bodyNow(store, 'a'), bodyNow(store, 'a')];
    expect(second).toBe(first);
    expect(first?.toString()).toBe('a'.repeat(5000));
    expect(bodyNow(store, 'b')?.toString()).toBe('b'.repeat(65_536));
    expect(blocks.heldCount).toBe(2);
    // A record points to each.
    expect(first !== null && first !== undefined && blocks.tryShare(first)).toBe(true);
    // What is kept beyond the turn is a copy of its own.
    expect(store.find('a', ANY)?.copyBody()?.buffer).not.toBe(first?.buffer);
  });

  it('are those of the newer reply once there is one, while the older one is still sent', () => {
    const { blocks, store } = hot();
    put(store, headOf('a'), '1'.repeat(5000));
    const old = bodyNow(store, 'a');
    if (old === null || old === undefined) throw new Error('there is a body');
    expect(blocks.tryShare(old)).toBe(true);
    for (let round = 2; round < 60; round += 1) {
      put(store, headOf('a', { bornMs: round }), String(round % 10).repeat(5000));
      expect(bodyNow(store, 'a')?.toString()).toBe(String(round % 10).repeat(5000));
    }
    expect(old.toString()).toBe('1'.repeat(5000));
    blocks.release(old.byteOffset);
  });

  it('take a bounded number of blocks, and are copied where there is none', () => {
    const { blocks, lane, store } = hot();
    for (let key = 0; key < 20; key += 1) put(store, headOf(`${key}`), `${key} `.repeat(3000));
    for (let key = 0; key < 20; key += 1) {
      expect(bodyNow(store, `${key}`)?.toString()).toBe(`${key} `.repeat(3000));
    }
    expect(blocks.heldCount).toBe(8);
    // Another lane, of whose blocks none is free.
    lane.blocks = new BodyBlocks(new SharedArrayBuffer(BODY_BLOCKS_BYTES), 0);
    while (lane.blocks.borrow() !== undefined);
    const copy = bodyNow(store, '3');
    expect(copy?.toString()).toBe('3 '.repeat(3000));
    expect(copy !== null && copy !== undefined && lane.blocks.tryShare(copy)).toBe(false);
    // The earlier one has its blocks back.
    expect(blocks.heldCount).toBe(0);
  });

  it('are copied when they are short or long', () => {
    const { blocks, store } = hot();
    put(store, headOf('short'), 'x'.repeat(4095));
    put(store, headOf('long'), 'x'.repeat(65_537));
    expect(bodyNow(store, 'short')?.length).toBe(4095);
    expect(bodyNow(store, 'long')?.length).toBe(65_537);
    expect(blocks.heldCount).toBe(0);
  });
});

it('a head that was read before is not taken for that of another entry', () => {
  const { first, second } = storesOf(2, 8 * 2 ** 20);
  // More keys than heads are kept, in few buckets, replaced again and again.
  for (let round = 0; round < 20; round += 1) {
    for (let key = 0; key < 400; key += 1) {
      const wish = { bornMs: round * 1000 + key, date: `${round} ${key}` };
      put(key % 2 === 0 ? first : second, headOf(`${key}`, wish), `${round} ${key}`);
    }
    for (let key = 0; key < 400; key += 1) {
      for (const store of [first, second, first]) {
        const found = store.find(`${key}`, ANY);
        expect(found?.head.date).toBe(`${round} ${key}`);
        expect(found?.copyBody()?.toString()).toBe(`${round} ${key}`);
      }
    }
  }
});
