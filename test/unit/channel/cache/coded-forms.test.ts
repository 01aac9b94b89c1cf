/** Coded forms in the store: whose they are, who finds them, and when they are void. */
import { describe, expect, it } from 'vitest';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import { HalfSipHash } from '../../../../src/base/half-sip-hash.js';
import type { EntryHead } from '../../../../src/channel/cache/cache-entry.js';
import { allocateCache } from '../../../../src/channel/cache/cache-memory.js';
import { purgeCache } from '../../../../src/channel/cache/cache-purge.js';
import { CacheSegment } from '../../../../src/channel/cache/cache-segment.js';
import { CacheStore } from '../../../../src/channel/cache/cache-store.js';

const BYTES = 4 * 2 ** 20;

function storesOf(lanes: number) {
  const memory = allocateCache(lanes, BYTES);
  const stores = memory.segments.map(
    (_, lane) => new CacheStore(memory, lane, new HalfSipHash(1, 2)),
  );
  const [first, second = first] = stores;
  if (first === undefined || second === undefined) throw new Error('no store');
  return { memory, first, second };
}

function headOf(key: string, variant = ''): EntryHead {
  return {
    ...{ key, variant, status: 200, fields: NO_FIELDS, date: '', bornMs: 1, bornUnixMs: 1 },
    ...{ freshMs: 1000 },
    ...{ whileRevalidateMs: 0, ifErrorMs: 0, isAlwaysValidated: true, serials: [] },
  };
}

const ANY = (): boolean => true;

function put(store: CacheStore, key: string, body = 'body', variant = ''): number {
  const { purges } = store.serials;
  expect(store.put(headOf(key, variant), Buffer.from(body), purges)).toBe(true);
  return store.lastNumber;
}

function putForm(store: CacheStore, number: number, form: string | null, level = 5): void {
  const made = form === null ? null : Buffer.from(form);
  store.putForm(number, { coding: 'gzip', level, form: made }, store.serials.purges);
}

function formIn(store: CacheStore, number: number, level = 5): string | undefined {
  return store.findForm(number, 'gzip', level)?.copyBody()?.toString();
}

describe('a coded form', () => {
  it('is found by every worker, by number, coding and level', () => {
    const { first, second } = storesOf(2);
    const number = put(first, 'a');
    putForm(second, number, 'coded');
    expect(first.find('a', ANY)?.number).toBe(number);
    expect([formIn(first, number), formIn(second, number)]).toEqual(['coded', 'coded']);
    expect(first.findForm(number, 'br', 5)).toBeNull();
    expect(first.findForm(number, 'gzip', 6)).toBeNull();
    expect(first.findForm(number + 1, 'gzip', 5)).toBeNull();
  });

  it('says that its body does not get shorter by being empty', () => {
    const { first } = storesOf(1);
    const number = put(first, 'a');
    putForm(first, number, null);
    expect(formIn(first, number)).toBe('');
  });

  it('is no reply: no key finds it, and it is not counted as one', () => {
    const { memory, first } = storesOf(1);
    const number = put(first, 'a', 'x'.repeat(1000));
    const [segment] = memory.segments.map((one) => new CacheSegment(one));
    const before = segment?.count();
    putForm(first, number, 'coded');
    expect(first.find('gzip', ANY)).toBeNull();
    expect([first.has('gzip'), first.has('')]).toEqual([false, false]);
    expect(segment?.count().entries).toBe(1);
    expect(segment?.count().bytes).toBeGreaterThan(before?.bytes ?? 0);
    const seen: string[] = [];
    segment?.forEach((entry) => void seen.push(entry.head.key));
    expect(seen).toEqual(['a']);
  });

  it('goes with its reply when that is stored anew, wherever both lie', () => {
    const { first, second } = storesOf(2);
    const old = put(first, 'a');
    putForm(second, old, 'coded');
    const other = put(first, 'a', 'body', 'v');
    putForm(first, other, 'other');
    const number = put(second, 'a');
    expect(number).not.toBe(old);
    expect(formIn(first, old)).toBeUndefined();
    expect(formIn(first, number)).toBeUndefined();
    expect(formIn(second, other)).toBe('other');
  });

  it('goes with its reply when that is purged, and stays when it becomes stale', () => {
    const { memory, first, second } = storesOf(2);
    const [a, b] = [put(first, 'a'), put(second, 'b')];
    putForm(second, a, 'of a');
    putForm(first, b, 'of b');
    expect(purgeCache(memory, ({ key }) => key === 'a', true)).toBe(1);
    expect(formIn(first, a)).toBe('of a');
    expect(purgeCache(memory, ({ key }) => key === 'a', false)).toBe(1);
    expect([formIn(first, a), formIn(first, b)]).toEqual([undefined, 'of b']);
    expect(purgeCache(memory, () => true, false)).toBe(1);
    expect(formIn(first, b)).toBeUndefined();
  });

  it('is not stored when there was a purge since its body was read', () => {
    const { memory, first } = storesOf(1);
    const number = put(first, 'a');
    const { purges } = first.serials;
    purgeCache(memory, () => false, false);
    first.putForm(number, { coding: 'br', level: 4, form: Buffer.from('coded') }, purges);
    expect(first.findForm(number, 'br', 4)).toBeNull();
  });

  it('is one to a coding: a second one, or one of another level, takes its place', () => {
    const { memory, first, second } = storesOf(2);
    const number = put(first, 'a');
    putForm(first, number, 'one');
    putForm(second, number, 'two');
    putForm(first, number, 'hard', 9);
    let forms = 0;
    for (const segment of memory.segments) {
      new CacheSegment(segment).forEach(() => {
        forms += 1;
      }, true);
    }
    expect(forms).toBe(1);
    expect(formIn(second, number, 9)).toBe('hard');
    expect(formIn(second, number)).toBeUndefined();
  });

  it('takes no more memory than replies do: it goes to make room, as they go', () => {
    const { memory, first } = storesOf(1);
    const [segment] = memory.segments;
    const number = put(first, 'a');
    putForm(first, number, 'coded');
    for (let key = 0; key < 6000; key++) {
      const passed = put(first, `passed ${key}`, 'x'.repeat(500));
      putForm(first, passed, 'y'.repeat(500));
      first.find('a', ANY)?.use();
    }
    expect(first.find('a', ANY)?.number).toBe(number);
    // Nobody has used it.
    expect(formIn(first, number)).toBeUndefined();
    expect(new CacheSegment(segment as SharedArrayBuffer).count().bytes).toBeLessThan(BYTES);
  });
});
