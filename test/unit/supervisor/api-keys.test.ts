/** What a gateway knows of API keys while the store that others share with it comes and goes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ApiKeysNotice } from '../../../src/channel/identity-messages.js';
import { Announcements } from '../../../src/supervisor/announcements.js';
import { ApiKeys } from '../../../src/supervisor/api-keys/api-keys.js';
import {
  KEYS_MAX,
  type KeptKey,
  type KeyStorage,
  type WriteOutcome,
} from '../../../src/supervisor/api-keys/key-storage.js';
import { LocalKeys } from '../../../src/supervisor/api-keys/local-keys.js';
import type { SharedEvents, Told } from '../../../src/supervisor/shared/shared-events.js';
import { StoreLostError } from '../../../src/supervisor/store-supervisor.js';
import { FakeClock } from '../../support/fake-clock.js';
import { settled } from '../../support/fake-threads.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const WISH = { authenticator: 'a', consumer: 'ada', scopes: [], lifeMs: null };

let clock: FakeClock;
let kept: Map<string, KeptKey>;
let isLost: boolean;
let told: string[];
let canTell: boolean;
let notices: ApiKeysNotice[];
let outcome: WriteOutcome;
let keys: ApiKeys;
let announcements: Announcements;
let workers: number;
let versions = 0;

class FakeStorage implements KeyStorage {
  readonly kind = 'store';

  async readAll(): Promise<readonly KeptKey[]> {
    if (isLost) throw new StoreLostError('lost');
    return [...kept.values()];
  }

  async read(id: string): Promise<KeptKey | null> {
    if (isLost) throw new StoreLostError('lost');
    return kept.get(id) ?? null;
  }

  async write(id: string, _: string | null, next: KeptKey['key'] | null): Promise<WriteOutcome> {
    if (isLost) throw new StoreLostError('lost');
    if (outcome !== 'written') return outcome;
    if (next === null) kept.delete(id);
    else kept.set(id, { key: next, version: String(++versions) });
    return 'written';
  }

  async remove(ids: readonly string[]): Promise<void> {
    if (isLost) throw new StoreLostError('lost');
    for (const id of ids) kept.delete(id);
  }
}

beforeEach(() => {
  clock = new FakeClock();
  kept = new Map();
  isLost = false;
  canTell = true;
  outcome = 'written';
  told = [];
  notices = [];
  workers = 0;
  announcements = new Announcements(clock);
  const tell = async (_: string, id: string): Promise<Told> => {
    if (!canTell) throw new StoreLostError('lost');
    told.push(id);
    return { done: [{ node: 'other', answer: '' }], missing: [] };
  };
  const broadcast = (notice: ApiKeysNotice): number => {
    notices.push(notice);
    return workers;
  };
  const log = (): void => {};
  keys = new ApiKeys({
    storage: new FakeStorage(),
    events: { tell, subscribe: () => {} } as unknown as SharedEvents,
    announcements,
    broadcast,
    clock,
    logger: { info: log, warn: log, error: log } as unknown as Logger,
  });
});

async function begin(): Promise<void> {
  await keys.start();
  keys.onFollowing(false);
  await settled();
}

async function made(): Promise<string> {
  const result = await keys.create(WISH);
  if (result.kind !== 'done') throw new Error(`no key was made: ${result.kind}`);
  return result.key.id;
}

describe('API keys of a shared store', () => {
  it('are not known before they were read, which is tried until it succeeds', async () => {
    isLost = true;
    await begin();
    expect(keys.state.isKnown).toBe(false);
    expect(keys.notice).toMatchObject({ isWhole: true, isKnown: false, keys: [] });
    isLost = false;
    clock.advance(250);
    await settled();
    expect(keys.state.isKnown).toBe(true);
    expect(notices.at(-1)).toMatchObject({ isWhole: true, isKnown: true });
  });

  it('stay taken back and rotated when the store has lost what was written last', async () => {
    await begin();
    const [back, turned, other] = [await made(), await made(), await made()];
    const before = new Map(kept);
    await keys.revoke(back);
    const rotated = await keys.rotate(turned, 0);
    const lost = await made();
    kept = new Map(before);
    keys.onFollowing(false);
    await settled();
    expect([...kept.keys()].sort()).toEqual([turned, other].sort());
    const now = rotated.kind === 'done' ? rotated.key : null;
    expect(kept.get(turned)?.key).toEqual(now);
    // A key that was lost is not made again: another gateway may have taken it back.
    expect(
      keys
        .list()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([turned, other].sort());
    expect(keys.list().map(({ id }) => id)).not.toContain(lost);
    // The others hear of it.
    expect(told.slice(-2).sort()).toEqual([back, turned].sort());
    // What another gateway has changed since is not touched.
    const theirs = { key: { ...before.get(turned)?.key, consumer: 'eve' }, version: 'x' };
    kept.set(turned, theirs as KeptKey);
    keys.onFollowing(false);
    await settled();
    expect(kept.get(turned)).toBe(theirs);
  });

  it('are not known any more after an hour without the store, and read again then', async () => {
    await begin();
    const id = await made();
    keys.onLost();
    clock.advance(HOUR_MS - 1);
    // It is told several times; the first one counts.
    keys.onLost();
    expect(keys.state.isKnown).toBe(true);
    clock.advance(1);
    expect(notices.at(-1)).toMatchObject({ isWhole: true, isKnown: false });
    kept.delete(id);
    keys.onFollowing(true);
    await settled();
    expect(notices.at(-1)).toMatchObject({ isKnown: true, keys: [] });
    // A short loss changes nothing.
    keys.onLost();
    keys.onFollowing(true);
    clock.advance(2 * HOUR_MS);
    expect(keys.state.isKnown).toBe(true);
  });

  it('that others could not be told of are told of later', async () => {
    await begin();
    canTell = false;
    const result = await keys.create(WISH);
    expect(result).toMatchObject({ kind: 'done', spread: { trouble: 'lost', acknowledged: [] } });
    canTell = true;
    clock.advance(250);
    await settled();
    expect(told).toEqual(keys.list().map(({ id }) => id));
  });

  it('that could not be read when another gateway had changed them are read later', async () => {
    await begin();
    const id = await made();
    kept.delete(id);
    isLost = true;
    await expect(keys.onEvent(id)).rejects.toThrow(StoreLostError);
    expect(keys.list().length).toBe(1);
    isLost = false;
    clock.advance(250);
    await settled();
    expect(keys.list()).toEqual([]);
    expect(notices.at(-1)).toMatchObject({ isWhole: true, keys: [] });
  });

  it('are read once more where that was asked for during a reading, one after the other', async () => {
    await begin();
    const id = await made();
    const all = [...kept.values()];
    let end = (_: readonly KeptKey[]): void => {};
    const readAll = vi.spyOn(FakeStorage.prototype, 'readAll');
    const reading = new Promise<readonly KeptKey[]>((resolve) => {
      end = resolve;
    });
    readAll.mockImplementationOnce(() => reading);
    readAll.mockRejectedValueOnce(new StoreLostError('lost'));
    keys.onFollowing(false);
    await settled();
    // Taken back by another gateway, which this one does not hear.
    kept.delete(id);
    keys.onFollowing(false);
    await settled();
    end(all);
    await settled();
    expect(keys.list().length).toBe(1);
    clock.advance(250);
    await settled();
    expect(keys.list()).toEqual([]);
    readAll.mockRestore();
  });

  it('that were taken back stay so where another gateway makes its own change again', async () => {
    await begin();
    const id = await made();
    const before = new Map(kept);
    await keys.revoke(id);
    kept = new Map(before);
    outcome = 'changed';
    keys.onFollowing(false);
    await settled();
    expect([keys.list(), kept.size]).toEqual([[], 0]);
  });

  it('that another gateway makes while all are read are known', async () => {
    await begin();
    const id = await made();
    const first = kept.get(id);
    if (first === undefined) throw new Error('the key is not kept');
    const other: KeptKey = { key: { ...first.key, id: 'other' }, version: 'of another' };
    vi.spyOn(FakeStorage.prototype, 'readAll').mockImplementationOnce(async () => {
      // What was read is older than what is told before all of it is looked through.
      kept.set('other', other);
      await keys.onEvent('other');
      return [first];
    });
    keys.onFollowing(false);
    await settled();
    expect(keys.list()).toEqual([first.key, other.key]);
    expect(notices.at(-1)).toMatchObject({ isWhole: true, keys: [first.key, other.key] });
  });

  it('that are rotated twice with a grace keep the secret that callers still have', async () => {
    await begin();
    const id = await made();
    const secrets = () => kept.get(id)?.key.secrets ?? [];
    const [first] = secrets();
    await keys.rotate(id, HOUR_MS);
    clock.advance(MINUTE_MS);
    const [second] = secrets();
    await keys.rotate(id, MINUTE_MS);
    const untilMs = clock.unixMs() + HOUR_MS - MINUTE_MS;
    expect(secrets().slice(1)).toEqual([
      { ...second, untilMs: clock.unixMs() + MINUTE_MS },
      { ...first, untilMs },
    ]);
    clock.advance(MINUTE_MS);
    for (let turn = 0; turn < 10; turn += 1) await keys.rotate(id, HOUR_MS);
    expect(secrets().map(({ sha256 }) => sha256)).not.toContain(second?.sha256);
    expect(secrets().length).toBe(8);
    await keys.rotate(id, 0);
    expect(secrets().length).toBe(1);
  });

  it('change only as they are kept', async () => {
    await begin();
    const id = await made();
    expect(notices.at(-1)).toMatchObject({ isWhole: false, removed: [], keys: [{ id }] });
    for (const next of ['changed', 'full'] as const) {
      outcome = next;
      expect(await keys.create(WISH)).toEqual({ kind: next });
    }
    expect(await keys.revoke(id)).toEqual({ kind: 'changed' });
    outcome = 'written';
    isLost = true;
    expect(await keys.revoke(id)).toMatchObject({ kind: 'lost' });
    expect(keys.list().length).toBe(1);
    isLost = false;
    expect(await keys.rotate('0'.repeat(16), 0)).toEqual({ kind: 'unknown' });
    expect(await keys.revoke(id)).toMatchObject({ kind: 'done', secret: '' });
    expect(notices.at(-1)).toMatchObject({ removed: [id], keys: [] });
  });

  it('are answered when all workers have taken the change, and not before', async () => {
    await begin();
    workers = 2;
    let isAnswered = false;
    const change = keys.create(WISH).then((result) => {
      isAnswered = true;
      return result;
    });
    await settled();
    const serial = notices.at(-1)?.serial ?? 0;
    announcements.onAcknowledged(serial);
    await settled();
    expect(isAnswered).toBe(false);
    announcements.onAcknowledged(serial);
    expect(await change).toMatchObject({ kind: 'done' });
  });

  it('that have expired leave the list at once, and what is kept a little later', async () => {
    await begin();
    await keys.create({ ...WISH, lifeMs: HOUR_MS });
    const [key] = keys.list();
    const lasting = await made();
    const id = key?.id ?? '';
    clock.advance(HOUR_MS - 1);
    expect(keys.list().length).toBe(2);
    clock.advance(1);
    expect(keys.list().map((one) => one.id)).toEqual([lasting]);
    expect(await keys.rotate(id, 0)).toEqual({ kind: 'unknown' });
    expect([...kept.keys()]).toEqual([id, lasting]);
    // While the store is lost nothing is forgotten.
    isLost = true;
    clock.advance(2 * MINUTE_MS);
    await settled();
    expect(keys.notice.keys.length).toBe(2);
    isLost = false;
    clock.advance(MINUTE_MS);
    await settled();
    expect([...kept.keys()]).toEqual([lasting]);
    expect(notices.at(-1)).toMatchObject({ isWhole: false, removed: [id], keys: [] });
    expect(keys.notice.keys.length).toBe(1);
    const before = notices.length;
    keys.stop();
    clock.advance(HOUR_MS);
    expect(notices.length).toBe(before);
  });
});

describe('API keys in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
  const file = join(folder, 'keys.json');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('that have expired make room, all by one write', async () => {
    const key = {
      ...{ authenticator: 'a', consumer: 'ada', scopes: [], createdMs: 0, expiresMs: 1 },
      secrets: [{ sha256: '0'.repeat(64), untilMs: null }],
    };
    const all = Array.from({ length: KEYS_MAX }, (_, at) => ({
      ...key,
      id: at.toString(16).padStart(16, '0'),
    }));
    writeFileSync(file, JSON.stringify({ version: 1, keys: all }));
    const storage = new LocalKeys(file);
    await storage.readAll();
    const another = { ...key, id: 'f'.repeat(16) };
    expect(await storage.write(another.id, null, another)).toBe('full');
    await storage.remove(all.slice(1).map(({ id }) => id));
    expect(await storage.write(another.id, null, another)).toBe('written');
    const left = await new LocalKeys(file).readAll();
    expect(left.map((one) => one.key.id)).toEqual(['0'.repeat(16), another.id]);
  });
});
