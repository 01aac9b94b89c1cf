import { beforeEach, describe, expect, it } from 'vitest';
import type { LoginSession } from '../../../../src/base/login.js';
import { StoredSessions } from '../../../../src/supervisor/login/stored-sessions.js';
import { StoreLostError } from '../../../../src/supervisor/store-supervisor.js';
import { MemoryRecords } from '../../../support/memory-records.js';

const NOW = 1_800_000_000;

const SESSION: LoginSession = {
  ...{ id: 'a', generation: 0, idToken: 't', accessToken: '', refreshToken: 'r' },
  ...{ refreshAt: NOW + 10, tokenEndsAt: NOW + 20, beganAt: NOW, seenAt: NOW, endsAt: NOW + 7200 },
};
const RENEWED: LoginSession = { ...SESSION, generation: 1, refreshToken: 'r2' };

let records: MemoryRecords;
let now: number;
let one: StoredSessions;

beforeEach(() => {
  records = new MemoryRecords();
  now = NOW;
  one = ofLogin('web 1');
});

function ofLogin(realm: string): StoredSessions {
  return new StoredSessions(records, { realm, idleMs: 3_600_000 }, () => now);
}

describe('a session in the store', () => {
  it('is found under its own login alone, and its name is not its id', async () => {
    await one.create(SESSION);
    expect(await ofLogin('web 1').read('a')).toEqual(SESSION);
    expect(await ofLogin('web 2').read('a')).toBeNull();
    expect(await one.read('b')).toBeNull();
    expect([...records.values.keys()][0]).toMatch(/^session web 1 [\w-]{43}$/);
  });

  it('is gone from the store when it is over', async () => {
    await one.create(SESSION);
    const lives = () => [...records.values.values()].map(({ lifeMs }) => lifeMs);
    expect(lives()).toEqual([3_600_000]);
    now = NOW + 3000;
    expect(await one.noteUse('a', now)).toMatchObject({ seenAt: now });
    expect(lives()).toEqual([3_600_000]);
    now = NOW + 6000;
    await one.noteUse('a', now);
    expect(lives()).toEqual([1_200_000]);
    now = NOW + 7200;
    // A store that is late with it does not prolong it.
    expect(await one.read('a')).toBeNull();
    expect(await one.noteUse('a', now)).toBeNull();
  });

  it('that ends while it is renewed or used stays ended', async () => {
    await one.create(SESSION);
    records.beforeChange = () => records.values.clear();
    expect(await one.renew(RENEWED)).toBeNull();
    expect(records.values.size).toBe(0);
    await one.create(SESSION);
    records.beforeChange = () => records.values.clear();
    expect(await one.noteUse('a', NOW + 5)).toBeNull();
    expect(records.values.size).toBe(0);
  });

  it('keeps what two gateways write in the same moment', async () => {
    await one.create(SESSION);
    let used: Promise<unknown> = Promise.resolve();
    records.beforeChange = () => {
      used = ofLogin('web 1').noteUse('a', NOW + 5);
    };
    await one.renew(RENEWED);
    await used;
    expect(await one.read('a')).toEqual({ ...RENEWED, seenAt: NOW + 5 });
    // Tokens of before the last renewal come back no more.
    expect(await one.renew(SESSION)).toMatchObject({ generation: 1 });
    expect(await one.read('a')).toMatchObject({ refreshToken: 'r2' });
  });

  it('is not kept where it is too large, and says when the store is lost', async () => {
    expect(await one.create({ ...SESSION, idToken: 't'.repeat(70_000) })).toBe(false);
    await one.create(SESSION);
    expect(await one.renew({ ...RENEWED, idToken: 't'.repeat(70_000) })).toBeNull();
    records.isLost = true;
    await expect(one.read('a')).rejects.toThrow(StoreLostError);
    await expect(one.create(SESSION)).rejects.toThrow(StoreLostError);
    await expect(one.end('a')).rejects.toThrow(StoreLostError);
  });

  it('that cannot be renewed leaves those behind it', async () => {
    const other = (generation: number): LoginSession => ({ ...SESSION, id: 'b', generation });
    await one.create(SESSION);
    await one.create(other(0));
    // Whoever else has the key of the store may write anything.
    const [broken] = records.values.keys();
    records.values.set(String(broken), { value: '{', version: '1', lifeMs: 1000 });
    const errors = await one.renewAll([RENEWED, other(1)]);
    expect(errors.map(String)).toEqual([expect.stringContaining('SyntaxError')]);
    expect(await one.read('b')).toEqual(other(1));
    records.isLost = true;
    await expect(one.renewAll([other(2)])).rejects.toThrow(StoreLostError);
  });
});
