/** Keys of the token service in a store: one gateway makes the next one, the others know it in time. */
import { decodeProtectedHeader } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CompiledTokenService } from '../../../src/config/compiled-config.js';
import type { SealedRecord, SealedRecords } from '../../../src/supervisor/shared/sealed-records.js';
import { StoreLostError } from '../../../src/supervisor/store-supervisor.js';
import { SharedKeys } from '../../../src/supervisor/token-service/shared-keys.js';
import { FakeClock } from '../../support/fake-clock.js';

const ROTATE_MS = 3_600_000;
const ACCESS_MS = 300_000;
const CONFIG: CompiledTokenService = {
  issuer: 'sluice',
  audience: 'api',
  algorithm: 'ES256',
  rotateMs: ROTATE_MS,
  accessTokenMs: ACCESS_MS,
  refreshTokenMs: ROTATE_MS,
  claims: [],
  maxSessions: 16,
  isShared: true,
};

/** One record of a store, as all gateways see it. */
class FakeRecords implements SealedRecords {
  record: SealedRecord | null = null;
  isLost = false;
  /** Something is there that cannot be opened. */
  isForeign = false;
  writes = 0;

  async get(): Promise<SealedRecord | null> {
    if (this.isLost) throw new StoreLostError('the store is lost');
    return this.isForeign ? null : this.record;
  }

  async set(): Promise<void> {}

  async compareAndSet(_: string, version: string | null, value: string) {
    if (this.isLost) throw new StoreLostError('the store is lost');
    if (this.isForeign || (this.record?.version ?? null) !== version) return undefined;
    this.writes += 1;
    this.record = { value, version: String(this.writes) };
    return this.record.version;
  }

  async delete(): Promise<boolean> {
    return false;
  }

  async compareAndDelete(): Promise<boolean> {
    return false;
  }
}

let clock: FakeClock;
let records: FakeRecords;
let errors: unknown[];

beforeEach(() => {
  clock = new FakeClock();
  records = new FakeRecords();
  errors = [];
});

function aGateway(): SharedKeys {
  return new SharedKeys({
    ...{ config: CONFIG, records, clock },
    onChanged: () => {},
    onMade: () => {},
    onError: (error) => errors.push(error),
  });
}

const kidsOf = (keys: SharedKeys) => keys.published.map(({ kid }) => kid);
const signerOf = async (keys: SharedKeys) => decodeProtectedHeader(await keys.sign({})).kid;

describe('shared keys', () => {
  it('are made once, whoever comes first, and verify what the other one has signed', async () => {
    const [one, two] = [aGateway(), aGateway()];
    await Promise.all([one.keep(), two.keep()]);
    expect(kidsOf(one).length).toBe(1);
    expect(kidsOf(two)).toEqual(kidsOf(one));
    const token = await one.sign({ iss: 'sluice', aud: 'api', sub: 'ada' });
    expect(await two.read(token)).toMatchObject({ sub: 'ada' });
    expect(JSON.stringify(one.published)).not.toMatch(/"d":/);
  });

  it('are published before they sign, and as long as their tokens live', async () => {
    const [one, two] = [aGateway(), aGateway()];
    await Promise.all([one.keep(), two.keep()]);
    const old = await signerOf(one);
    clock.advance(ROTATE_MS);
    await one.keep();
    const [next] = kidsOf(one);
    expect(next).not.toBe(old);
    expect(await signerOf(one)).toBe(old);
    await two.keep();
    expect(kidsOf(two)).toEqual([next, old]);
    clock.advance(10_000);
    expect(await signerOf(one)).toBe(next);
    expect(await signerOf(two)).toBe(next);
    // The next change leaves out what nobody can have a token of.
    clock.advance(ROTATE_MS);
    await two.keep();
    expect(kidsOf(two)).not.toContain(old);
  });

  it('come back into a store that has lost them, unchanged', async () => {
    const one = aGateway();
    await one.keep();
    const before = records.record?.value;
    records.record = null;
    await one.keep();
    expect(records.record).toMatchObject({ value: before });
  });

  it('are none without the store: the gateway starts late, and signs nothing', async () => {
    records.isLost = true;
    const one = aGateway();
    let isStarted = false;
    const started = one.start().then(() => {
      isStarted = true;
    });
    await one.keep();
    clock.advance(1999);
    await Promise.resolve();
    expect(isStarted).toBe(false);
    clock.advance(1);
    await started;
    await expect(one.sign({})).rejects.toThrow(StoreLostError);
    records.isLost = false;
    await one.keep();
    expect(await signerOf(one)).toBe(kidsOf(one)[0]);
    // What it knows it goes on with.
    records.isLost = true;
    await one.keep();
    expect(kidsOf(one).length).toBe(1);
    expect(errors).toEqual([]);
  });

  it('of another secret are not written over', async () => {
    records.isForeign = true;
    const one = aGateway();
    await one.keep();
    expect(records.writes).toBe(0);
    expect(String(errors[0])).toContain('sealed with another secret');
  });
});
