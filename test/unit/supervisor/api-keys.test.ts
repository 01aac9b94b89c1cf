/** What a gateway knows of API keys while the store that others share with it comes and goes. */
import type { Logger } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ApiKeysNotice } from '../../../src/channel/identity-messages.js';
import { Announcements } from '../../../src/supervisor/announcements.js';
import { ApiKeys } from '../../../src/supervisor/api-keys/api-keys.js';
import type {
  KeptKey,
  KeyStorage,
  WriteOutcome,
} from '../../../src/supervisor/api-keys/key-storage.js';
import type { SharedEvents, Told } from '../../../src/supervisor/shared/shared-events.js';
import { StoreLostError } from '../../../src/supervisor/store-supervisor.js';
import { FakeClock } from '../../support/fake-clock.js';
import { settled } from '../../support/fake-threads.js';

const HOUR_MS = 3_600_000;
const WISH = { authenticator: 'a', consumer: 'ada', scopes: [], lifeMs: null };

let clock: FakeClock;
let kept: Map<string, KeptKey>;
let isLost: boolean;
let told: string[];
let canTell: boolean;
let notices: ApiKeysNotice[];
let outcome: WriteOutcome;
let keys: ApiKeys;

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
    else kept.set(id, { key: next, version: '1' });
    return 'written';
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
  const tell = async (_: string, id: string): Promise<Told> => {
    if (!canTell) throw new StoreLostError('lost');
    told.push(id);
    return { done: [{ node: 'other', answer: '' }], missing: [] };
  };
  const broadcast = (notice: ApiKeysNotice): number => {
    notices.push(notice);
    return 0;
  };
  const log = (): void => {};
  keys = new ApiKeys({
    storage: new FakeStorage(),
    events: { tell, subscribe: () => {} } as unknown as SharedEvents,
    announcements: new Announcements(clock),
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
});
