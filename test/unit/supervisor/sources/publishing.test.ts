import { describe, expect, it } from 'vitest';
import {
  currentOf,
  publishPart,
  publishRelease,
  releasesIn,
  rollBackTo,
} from '../../../../src/supervisor/sources/publishing.js';
import { CURRENT } from '../../../../src/supervisor/sources/release-layout.js';
import { MemoryStore } from '../../../support/memory-store.js';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

const now = async (store: MemoryStore) => currentOf((await store.read([CURRENT])).values);

async function publish(store: MemoryStore, text: string, unixMs = AT, keep = 50) {
  return publishRelease(store, text, { current: await now(store), unixMs, keep });
}

describe('publishing', () => {
  it('puts the release and the pointer into the store at once', async () => {
    const store = new MemoryStore();
    const { id, sha256, isNew } = await publish(store, 'one');
    expect(id).toBe(`20260102T030405006Z-${sha256.slice(0, 8)}`);
    expect(isNew).toBe(true);
    expect(store.values.get(`releases/${id}`)?.text).toBe('one');
    expect(await now(store)).toMatchObject({ pointer: { id, sha256, before: [] } });
    expect(await publish(store, 'one', AT + 1)).toMatchObject({ id, isNew: false });
  });

  it('refuses the second of two who began from the same release', async () => {
    const store = new MemoryStore();
    const current = await now(store);
    const first = await publishRelease(store, 'one', { current, unixMs: AT, keep: 50 });
    const second = publishRelease(store, 'two', { current, unixMs: AT, keep: 50 });
    await expect(second).rejects.toThrow(`has put ${first.id} into force meanwhile`);
    expect(await releasesIn(store)).toEqual([first.id]);
  });

  it('knows its own change again when the reply was lost', async () => {
    const store = new MemoryStore();
    store.losesReply = true;
    const { id } = await publish(store, 'one');
    expect((await now(store)).pointer?.id).toBe(id);
    store.losesReply = true;
    const part = await publishPart(store, 'red', { text: 'part', before: undefined });
    expect(part.isNew).toBe(true);
    store.isAway = true;
    await expect(publishPart(store, 'red', { text: 'x', before: undefined })).rejects.toThrow(
      'away',
    );
  });

  it('keeps a number of releases, and the one in force', async () => {
    const store = new MemoryStore();
    const ids: string[] = [];
    for (let at = 0; at < 6; at += 1) {
      ids.push((await publish(store, `text ${at}`, AT + at, 3)).id);
    }
    expect(await releasesIn(store)).toEqual(ids.slice(-3));
    const [oldest = ''] = ids.slice(-3);
    await rollBackTo(store, oldest);
    await publish(store, 'next', AT + 10, 1);
    expect(await releasesIn(store)).toContain(oldest);
  });

  it('goes back step by step to what was in force, whatever was published in between', async () => {
    const store = new MemoryStore();
    const [a, b] = [await publish(store, 'a', AT), await publish(store, 'b', AT + 1)];
    expect((await rollBackTo(store, null)).id).toBe(a.id);
    const c = await publish(store, 'c', AT + 2);
    expect((await rollBackTo(store, null)).id).toBe(a.id);
    await expect(rollBackTo(store, null)).rejects.toThrow('no earlier release');
    expect((await rollBackTo(store, c.id)).id).toBe(c.id);
    expect((await rollBackTo(store, b.id)).isNew).toBe(true);
    expect((await rollBackTo(store, b.id)).isNew).toBe(false);
    await expect(rollBackTo(store, 'never-there')).rejects.toThrow('no release never-there');
  });

  it('compares parts as well', async () => {
    const store = new MemoryStore();
    await publishPart(store, 'red', { text: 'one', before: undefined });
    const before = store.values.get('parts/red');
    expect(await publishPart(store, 'red', { text: 'one', before })).toMatchObject({
      isNew: false,
    });
    await publishPart(store, 'red', { text: 'two', before });
    const late = publishPart(store, 'red', { text: 'three', before });
    await expect(late).rejects.toThrow('changed by somebody else');
    const removed = await publishPart(store, 'red', {
      text: null,
      before: store.values.get('parts/red'),
    });
    expect([removed.sha256, store.values.has('parts/red')]).toEqual(['', false]);
  });
});
