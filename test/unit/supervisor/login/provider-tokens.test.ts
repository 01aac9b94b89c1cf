import { createHash } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Jwk } from '../../../../src/base/json-web-key.js';
import type { CompiledProvider } from '../../../../src/filters/authentication/options.js';
import {
  type ProviderKeys,
  ProviderTokens,
  TokenRefusedError,
} from '../../../../src/supervisor/login/provider-tokens.js';

const NOW = 1_800_000_000;
const EVENTS = { 'http://schemas.openid.net/event/backchannel-logout': {} };

const PROVIDER: CompiledProvider = {
  ...{ id: 'web 1', realm: 'web 2', isStored: false },
  name: 'web',
  issuer: 'https://login.example',
  keySource: {
    ...{ id: 'discovery', kind: 'discovery', url: 'https://login.example' },
    ...{ cacheMs: 1000, cooldownMs: 1000, allowHttp: false },
  },
  ...{ clientId: 'app', clientSecret: '', clientAuthentication: 'basic' },
  ...{ clockSkewMs: 30_000, timeoutMs: 1000, allowHttp: false, secrets: [] },
  ...{ keepsAccessToken: false, idleMs: 1000, lifetimeMs: 1000 },
};

type Signer = (claims: Record<string, unknown>, kid?: string) => Promise<string>;

let keys: Jwk[];
let sign: Signer;
let signAsStranger: Signer;

async function pair(kid: string): Promise<{ jwk: Jwk; signer: Signer }> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const signer: Signer = (claims, name = kid) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: name }).sign(privateKey);
  return { jwk: { ...(await exportJWK(publicKey)), kid }, signer };
}

beforeAll(async () => {
  const own = await pair('one');
  const other = await pair('two');
  keys = [own.jwk];
  sign = own.signer;
  signAsStranger = other.signer;
});

const SOURCE: ProviderKeys = { keysOf: () => keys, askNewer: () => null };
const tokens = new ProviderTokens(PROVIDER, SOURCE, () => NOW);

function claims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const times = { iat: NOW, exp: NOW + 60 };
  return { iss: PROVIDER.issuer, aud: 'app', sub: 'ada', nonce: 'n', ...times, ...changes };
}

const WISH = { nonce: 'n', accessToken: 'the access token', subject: '' };

describe('an ID token', () => {
  it('is believed when all of it fits', async () => {
    const digest = createHash('sha256').update('the access token').digest().subarray(0, 16);
    const token = await sign(claims({ at_hash: digest.toString('base64url') }));
    expect(await tokens.readIdToken(token, WISH)).toMatchObject({ sub: 'ada' });
    const several = await sign(claims({ aud: ['app', 'other'], azp: 'app' }));
    expect(await tokens.readIdToken(several, WISH)).toMatchObject({ sub: 'ada' });
  });

  it.each([
    ['iss', { iss: 'https://login.example/' }],
    ['aud', { aud: 'other' }],
    ['azp', { azp: 'other' }],
    ['azp', { aud: ['app', 'other'] }],
    ['exp', { exp: NOW - 31 }],
    ['exp', { exp: undefined }],
    ['nonce', { nonce: 'another' }],
    ['nonce', { nonce: undefined }],
    ['at_hash', { at_hash: 'AAAA' }],
    ['sub', { sub: undefined }],
  ])('is refused for its %s: %j', async (claim, changes) => {
    const token = await sign(claims(changes));
    await expect(tokens.readIdToken(token, WISH)).rejects.toThrow(TokenRefusedError);
    await expect(tokens.readIdToken(token, WISH)).rejects.toThrow(claim);
  });

  it('is refused when another key has signed it, or none', async () => {
    for (const token of [
      await signAsStranger(claims()),
      await signAsStranger(claims(), 'one'),
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims())).toString('base64url')}.`,
      'a.b.c',
      '',
    ]) {
      await expect(tokens.readIdToken(token, WISH)).rejects.toThrow(TokenRefusedError);
    }
  });

  it('is looked at once more when newer keys come', async () => {
    const known = keys;
    const later = await pair('three');
    let asked = 0;
    const source: ProviderKeys = {
      keysOf: () => (asked > 0 ? [...known, later.jwk] : known),
      askNewer: () => {
        asked++;
        return Promise.resolve();
      },
    };
    const patient = new ProviderTokens(PROVIDER, source, () => NOW);
    const token = await later.signer(claims());
    expect(await patient.readIdToken(token, WISH)).toMatchObject({ sub: 'ada' });
    expect(asked).toBe(1);
  });

  it('of a renewal is of the same user', async () => {
    const renewed = { nonce: null, accessToken: '', subject: 'ada' };
    const plain = await sign(claims({ nonce: undefined }));
    expect(await tokens.readIdToken(plain, renewed)).toMatchObject({ sub: 'ada' });
    const other = await sign(claims({ sub: 'bob' }));
    await expect(tokens.readIdToken(other, renewed)).rejects.toThrow('sub');
  });
});

describe('a logout token', () => {
  const good = { nonce: undefined, events: EVENTS, jti: '1', sid: 's' };

  it('is believed with sid, with sub, and with both', async () => {
    for (const of of [{}, { sid: undefined }, { sub: undefined }]) {
      const token = await sign(claims({ ...good, ...of }));
      expect(await tokens.readLogoutToken(token)).toMatchObject({ jti: '1' });
    }
  });

  it.each([
    ['events', { events: undefined }],
    ['events', { events: { other: {} } }],
    ['events', { events: { [Object.keys(EVENTS)[0] ?? '']: 'x' } }],
    ['nonce', { nonce: 'n' }],
    ['jti', { jti: undefined }],
    ['sid', { sid: undefined, sub: undefined }],
    ['iat', { iat: NOW - 331 }],
    ['iat', { iat: NOW + 31 }],
    ['aud', { aud: 'other' }],
  ])('is refused for its %s: %j', async (claim, changes) => {
    const token = await sign(claims({ ...good, ...changes }));
    await expect(tokens.readLogoutToken(token)).rejects.toThrow(claim);
  });
});
