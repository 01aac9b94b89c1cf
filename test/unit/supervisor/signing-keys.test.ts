import { decodeProtectedHeader } from 'jose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CompiledTokenService } from '../../../src/config/compiled-config.js';
import { SigningKeys } from '../../../src/supervisor/token-service/signing-keys.js';

const HOUR_MS = 3_600_000;
const CONFIG = {
  issuer: 'sluice',
  audience: 'api',
  algorithm: 'ES256',
  rotateMs: HOUR_MS,
  accessTokenMs: 300_000,
  refreshTokenMs: HOUR_MS,
  claims: [],
  maxSessions: 16,
  isShared: false,
} as const;

/** No key can be made for any other. */
let algorithm = 'ES256';
let nowMs = 0;
let failures = 0;
let keys: SigningKeys;
let changes = 0;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  algorithm = 'ES256';
  nowMs = 0;
  changes = 0;
  failures = 0;
  const config: CompiledTokenService = {
    ...CONFIG,
    get algorithm() {
      return algorithm as CompiledTokenService['algorithm'];
    },
  };
  keys = new SigningKeys(
    config,
    () => nowMs,
    () => changes++,
    () => failures++,
  );
  await keys.start();
});

afterEach(() => {
  keys.stop();
  vi.useRealTimers();
});

async function pass(ms: number): Promise<void> {
  const before = changes;
  nowMs += ms;
  vi.advanceTimersByTime(ms);
  await vi.waitFor(() => expect(changes).toBeGreaterThan(before));
}

const kids = () => keys.published.map(({ kid }) => kid);
const sign = () => {
  const iat = Math.floor(Date.now() / 1000);
  return keys.sign({ iss: 'sluice', aud: 'api', sid: 's', exp: iat + 60 });
};

describe('signing keys', () => {
  it('take turns, and the former one verifies until its last token is over', async () => {
    const [first] = kids();
    const token = await sign();
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', kid: first });
    await pass(HOUR_MS);
    expect(kids()).toHaveLength(2);
    expect(kids()[1]).toBe(first);
    expect(decodeProtectedHeader(await sign()).kid).toBe(kids()[0]);
    expect(await keys.read(token)).toMatchObject({ sid: 's' });
    await pass(HOUR_MS);
    // An hour is longer than its tokens live.
    expect(kids()).toHaveLength(2);
    expect(kids()).not.toContain(first);
    expect(await keys.read(token)).toBeUndefined();
  });

  it('try again in a minute to make a key that could not be made', async () => {
    const [first] = kids();
    const token = await sign();
    algorithm = 'none';
    for (const [ms, expected] of [
      [HOUR_MS, 1],
      [60_000, 2],
    ] as const) {
      nowMs += ms;
      vi.advanceTimersByTime(ms);
      await vi.waitFor(() => expect(failures).toBe(expected));
    }
    expect(kids()).toEqual([first]);
    algorithm = 'ES256';
    expect(await keys.read(token)).toMatchObject({ sid: 's' });
    await pass(60_000);
    expect(kids()[1]).toBe(first);
    keys.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('read no token but their own', async () => {
    const [header, , signature] = (await sign()).split('.');
    const payload = Buffer.from('{"sid":"other","iss":"sluice","aud":"api"}').toString('base64url');
    for (const token of ['', 'a.b.c', `${header}.${payload}.${signature}`]) {
      expect(await keys.read(token)).toBeUndefined();
    }
  });
});
