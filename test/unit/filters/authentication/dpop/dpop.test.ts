import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { AuthenticationRequest } from '../../../../../src/filters/authentication/authenticator.js';
import { judgeProof } from '../../../../../src/filters/authentication/dpop/dpop-proof.js';
import type { ProofFeed } from '../../../../../src/filters/authentication/dpop/proof-feed.js';
import { IntrospectionAuthenticator } from '../../../../../src/filters/authentication/introspection-authenticator.js';
import { JwtAuthenticator } from '../../../../../src/filters/authentication/jwt-authenticator.js';
import type {
  CompiledJwtAuthenticator,
  DpopRule,
} from '../../../../../src/filters/authentication/options.js';
import { ProofMemory } from '../../../../../src/supervisor/proofs/proof-memory.js';
import { aRequest, type RequestWish } from '../../../../support/authentication-request.js';
import { JWT_SECRET } from '../../../../support/configs.js';
import { FakeUpstream } from '../../../../support/fake-upstream.js';
import { ProofHolder } from '../../../../support/proof-holder.js';

/** RFC 9449 figures 2, 9, 12 and 13. */
const RFC_HEADER =
  'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo' +
  'UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW' +
  'clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19';
const RFC_RESOURCE_PROOF =
  `${RFC_HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJj` +
  'ZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNT' +
  'NFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8' +
  'y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA';
const RFC_TOKEN_PROOF =
  `${RFC_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVy` +
  'LmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQ' +
  'g4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg';
const RFC_TOKEN = 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU';
const RFC_THUMBPRINT = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';

describe('the example of RFC 9449', () => {
  const place = { scheme: 'https', host: 'resource.example.org', target: '/protectedresource' };
  const judge = (text: string, wish: RequestWish = {}, thumbprint = RFC_THUMBPRINT) =>
    judgeProof(text, {
      request: aRequest({ ...place, ...wish }),
      token: RFC_TOKEN,
      thumbprint,
      unixSeconds: 1_562_262_620,
      windowSeconds: 60,
      nonces: null,
    });

  it('fits the request that it was made for', async () => {
    expect(await judge(RFC_RESOURCE_PROOF)).toEqual({
      needsNext: false,
      key: expect.stringMatching(/^[\w-]{43}$/),
      until: 1_562_262_678,
    });
    expect(await judge(RFC_RESOURCE_PROOF, { target: '/protectedresource?a=1' })).toHaveProperty(
      'until',
    );
  });

  it('fits no other request, token or key', async () => {
    const problemOf = async (...asked: Parameters<typeof judge>) =>
      (await judge(...asked)) as { readonly problem?: string };
    expect(await problemOf(RFC_RESOURCE_PROOF, { method: 'POST' })).toHaveProperty(
      'problem',
      'the DPoP proof is for another method',
    );
    for (const wish of [{ host: 'example.org' }, { target: '/' }, { scheme: 'http' }]) {
      expect(await problemOf(RFC_RESOURCE_PROOF, wish)).toHaveProperty(
        'problem',
        'the DPoP proof is for another URL',
      );
    }
    expect((await problemOf(RFC_RESOURCE_PROOF, {}, 'x')).problem).toContain('another key');
    const tokenPlace = { host: 'server.example.com', target: '/token', method: 'POST' };
    expect(await problemOf(RFC_TOKEN_PROOF, tokenPlace)).toHaveProperty(
      'problem',
      'the DPoP proof is for another token',
    );
    const changed = RFC_RESOURCE_PROOF.replace(/^(.*\.).(.*)$/, '$1A$2');
    expect((await problemOf(changed)).problem).toContain('signature');
  });
});

const NOW = Math.floor(Date.now() / 1000);

/** Who holds a key, and calls this gateway. */
class Caller {
  private constructor(private readonly holder: ProofHolder) {}

  static async create(): Promise<Caller> {
    return new Caller(await ProofHolder.create());
  }

  get jwk() {
    return this.holder.jwk;
  }

  get privateKey() {
    return this.holder.privateKey;
  }

  get thumbprint() {
    return this.holder.thumbprint;
  }

  token(claims?: Record<string, unknown>): Promise<string> {
    return this.holder.token(JWT_SECRET, claims);
  }

  proof(
    token: string,
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
  ): Promise<string> {
    return this.holder.proof(token, 'http://gateway.test/', { iat: NOW, ...claims }, header);
  }
}

/** As it is in a gateway whose workers ask the main thread. */
function feed(memory = new ProofMemory()): ProofFeed {
  return { use: async (key, until) => memory.use(key, until, NOW), nonceKey: Buffer.alloc(32, 1) };
}

function authenticator(
  wish: Partial<CompiledJwtAuthenticator> = {},
  proofs: ProofFeed | undefined = feed(),
): Promise<JwtAuthenticator> {
  const config: CompiledJwtAuthenticator = {
    index: 0,
    name: 'jwt',
    claimHeaders: [],
    forwardCredentials: true,
    type: 'jwt',
    from: [{ kind: 'header', name: 'authorization' }],
    forwardPlaces: false,
    algorithms: ['HS256'],
    secret: JWT_SECRET,
    keys: [],
    keySource: null,
    issuer: '',
    audiences: [],
    clockSkewMs: 30_000,
    requiredClaims: ['exp'],
    consumerClaim: 'sub',
    binding: 'verify',
    dpop: 'bound',
    dpopWindowMs: 60_000,
    dpopMemory: 'gateway',
    dpopNonceMs: 0,
    ...wish,
  };
  const none = { subscribe: () => () => {}, askNewer: () => null, isRevoked: () => false };
  return JwtAuthenticator.create(config, none, proofs);
}

const withProofs = (token: string, ...proofs: string[]): AuthenticationRequest =>
  aRequest({
    authorization: `DPoP ${token}`,
    fields: proofs.map((proof) => ['dpop', proof] as const),
  });

describe('a token that is bound to a key', () => {
  it('is accepted with a new proof for each request, and knows the scheme in any case', async () => {
    const ada = await Caller.create();
    const jwt = await authenticator();
    const token = await ada.token();
    for (const word of ['DPoP', 'dpop', 'DPOP']) {
      const fields = [['dpop', await ada.proof(token)]] as const;
      const request = aRequest({ authorization: `${word} ${token}`, fields });
      expect(await jwt.authenticate(request, NOW)).toMatchObject({
        verdict: 'accepted',
        identity: { consumer: 'ada' },
      });
      expect(await jwt.authenticate(request, NOW)).toMatchObject({
        verdict: 'refused',
        reason: 'the DPoP proof was used before',
      });
    }
  });

  it('uses a proof up for all who share the memory', async () => {
    const ada = await Caller.create();
    const shared = feed();
    const workers = await Promise.all([authenticator({}, shared), authenticator({}, shared)]);
    const token = await ada.token();
    const request = withProofs(token, await ada.proof(token));
    const results = await Promise.all(
      [...workers, ...workers].map((one) => one.authenticate(request, NOW)),
    );
    expect(results.filter(({ verdict }) => verdict === 'accepted')).toHaveLength(1);
  });

  it('is not decided while nobody can tell what was used', async () => {
    const ada = await Caller.create();
    const token = await ada.token();
    const jwt = await authenticator({}, { use: async () => 'unknown', nonceKey: null });
    const result = await jwt.authenticate(withProofs(token, await ada.proof(token)), NOW);
    expect(result.verdict).toBe('unavailable');
  });

  it('is refused as a bearer token, with a proof or without', async () => {
    const ada = await Caller.create();
    const token = await ada.token();
    const jwt = await authenticator();
    for (const fields of [[], [['dpop', await ada.proof(token)]]] as const) {
      const request = aRequest({ authorization: `Bearer ${token}`, fields });
      expect(await jwt.authenticate(request, NOW)).toMatchObject({
        verdict: 'refused',
        challenge: expect.stringContaining('error="invalid_token"'),
      });
    }
  });

  it('is refused from a cookie, beside another token in Authorization', async () => {
    const ada = await Caller.create();
    const token = await ada.token();
    const from = [{ kind: 'cookie', name: 't' } as const];
    const jwt = await authenticator({ from });
    const fields = [
      ['cookie', `t=${token}`],
      ['dpop', await ada.proof(token)],
    ] as const;
    const result = await jwt.authenticate(aRequest({ authorization: 'DPoP x', fields }), NOW);
    expect(result.verdict).toBe('refused');
  });

  it.each([{ jkt: '' }, { jkt: 5 }, { jkt: null }, { jkt: {} }])(
    'is refused when it names no key: %j',
    async (cnf) => {
      const ada = await Caller.create();
      const token = await ada.token({ cnf });
      const jwt = await authenticator();
      const result = await jwt.authenticate(withProofs(token, await ada.proof(token)), NOW);
      expect(result.verdict).toBe('refused');
      const bearer = aRequest({ authorization: `Bearer ${token}` });
      expect((await jwt.authenticate(bearer, NOW)).verdict).toBe('refused');
    },
  );
});

describe('a proof', () => {
  type Change = [name: string, claims: Record<string, unknown>, header?: Record<string, unknown>];

  it.each<Change>([
    ['no jti', { jti: undefined }],
    ['an empty jti', { jti: '' }],
    ['no time', { iat: undefined }],
    ['a time that is a text', { iat: String(NOW) }],
    ['an old time', { iat: NOW - 61 }],
    ['a time to come', { iat: NOW + 61 }],
    ['no method', { htm: undefined }],
    ['a method in lower case', { htm: 'get' }],
    ['no URL', { htu: undefined }],
    ['a list of URLs', { htu: ['http://gateway.test/'] }],
    ['another scheme', { htu: 'https://gateway.test/' }],
    ['another port', { htu: 'http://gateway.test:8080/' }],
    ['another path', { htu: 'http://gateway.test/a' }],
    ['a user in the URL', { htu: 'http://a@gateway.test/' }],
    ['a path alone', { htu: '/' }],
    ['a blank in the URL', { htu: 'http://gateway.test/ ' }],
    ['no hash of the token', { ath: undefined }],
    ['the hash of another token', { ath: 'fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo' }],
    ['another typ', {}, { typ: 'JWT' }],
    ['no typ', {}, { typ: undefined }],
    ['no key', {}, { jwk: undefined }],
    ['a list of keys', {}, { jwk: [] }],
    ['a key of another kind', {}, { jwk: { kty: 'oct' } }],
  ])('is refused with %s', async (_, claims, header) => {
    const ada = await Caller.create();
    const token = await ada.token();
    const jwt = await authenticator();
    const proof = await ada.proof(token, claims, header);
    const result = await jwt.authenticate(withProofs(token, proof), NOW);
    expect(result).toMatchObject({
      verdict: 'refused',
      challenge: expect.stringMatching(/^DPoP .*algs="ES256 .*error="invalid_dpop_proof"/),
    });
  });

  it.each([
    'http://GATEWAY.test',
    'http://gateway.test:80/',
    'HTTP://gateway.test/?q=1#f',
    'http://gateway.test/./',
  ])('may spell the URL %s', async (htu) => {
    const ada = await Caller.create();
    const token = await ada.token();
    const jwt = await authenticator();
    const result = await jwt.authenticate(withProofs(token, await ada.proof(token, { htu })), NOW);
    expect(result.verdict).toBe('accepted');
  });

  it('is refused when it shows the private key, is of another key, or stands twice', async () => {
    const [ada, bob] = [await Caller.create(), await Caller.create()];
    const token = await ada.token();
    const jwt = await authenticator();
    const verdict = async (...proofs: string[]) =>
      (await jwt.authenticate(withProofs(token, ...proofs), NOW)).verdict;
    const jwk = { ...ada.privateKey.export({ format: 'jwk' }) };
    expect(await verdict(await ada.proof(token, {}, { jwk }))).toBe('refused');
    expect(await verdict(await bob.proof(token))).toBe('refused');
    // His signature under her key.
    expect(await verdict(await bob.proof(token, {}, { jwk: ada.jwk }))).toBe('refused');
    const good = await ada.proof(token);
    expect(await verdict(good, good)).toBe('refused');
    expect(await verdict()).toBe('refused');
    for (const text of ['', '..', 'a.b.c', `${good}.`, `${good}x`, 'x'.repeat(9000)]) {
      expect([text.slice(0, 9), await verdict(text)]).toEqual([text.slice(0, 9), 'refused']);
    }
    expect(await verdict(good)).toBe('accepted');
  });

  it('is not signed with a shared secret, nor with nothing', async () => {
    const ada = await Caller.create();
    const token = await ada.token();
    const jwt = await authenticator();
    const [, payload] = (await ada.proof(token)).split('.');
    const jwk = { kty: 'oct', k: Buffer.alloc(32, 1).toString('base64url') };
    for (const header of [
      { typ: 'dpop+jwt', alg: 'none', jwk: ada.jwk },
      { typ: 'dpop+jwt', alg: 'HS256', jwk },
    ]) {
      const head = Buffer.from(JSON.stringify(header)).toString('base64url');
      const result = await jwt.authenticate(withProofs(token, `${head}.${payload}.AAAA`), NOW);
      expect(result.verdict).toBe('refused');
    }
  });
});

describe('a token that is bound to nothing', () => {
  it('is a bearer token, and never one of the scheme DPoP', async () => {
    const ada = await Caller.create();
    const token = await ada.token({});
    const bearer = aRequest({ authorization: `Bearer ${token}` });
    for (const dpop of ['bound', 'accepted'] as const) {
      const jwt = await authenticator({ dpop });
      expect((await jwt.authenticate(bearer, NOW)).verdict).toBe('accepted');
      const proven = withProofs(token, await ada.proof(token));
      expect((await jwt.authenticate(proven, NOW)).verdict).toBe('refused');
    }
    const strict = await authenticator({ dpop: 'required' });
    expect((await strict.authenticate(bearer, NOW)).verdict).toBe('refused');
  });

  it('is told about the scheme where the configuration says so', async () => {
    expect(await authenticator()).toMatchObject({ challenge: 'Bearer realm="sluice"' });
    expect((await authenticator()).otherChallenge).toBeUndefined();
    const accepted = await authenticator({ dpop: 'accepted' });
    expect(accepted.otherChallenge).toMatch(/^DPoP realm="sluice", algs="ES256 /);
    expect(await authenticator({ dpop: 'required' })).toMatchObject({
      challenge: expect.stringMatching(/^DPoP /),
    });
  });
});

describe('a nonce of the gateway', () => {
  const asking = (proofs = feed(), wish: Partial<CompiledJwtAuthenticator> = {}) =>
    authenticator({ dpopNonceMs: 100_000, ...wish }, proofs);

  async function nonceFor(jwt: JwtAuthenticator, caller: Caller, at: number): Promise<string> {
    const token = await caller.token();
    const request = withProofs(token, await caller.proof(token, { iat: at }));
    const result = await jwt.authenticate(request, at);
    expect(result).toMatchObject({
      verdict: 'refused',
      challenge: expect.stringContaining('error="use_dpop_nonce"'),
    });
    const fields = result.verdict === 'refused' ? String(result.fields) : '';
    return /DPoP-Nonce: (\S+)/i.exec(fields)?.[1] ?? '';
  }

  it('comes with a refusal, works for its time, and is followed by the next one', async () => {
    const caller = await Caller.create();
    const jwt = await asking();
    const start = Math.ceil(NOW / 50) * 50;
    const nonce = await nonceFor(jwt, caller, start);
    expect(nonce).toMatch(/^[!#-[\]-~]+$/);
    const token = await caller.token();
    for (const [age, verdict, hasNext] of [
      [0, 'accepted', false],
      [49, 'accepted', false],
      [50, 'accepted', true],
      [99, 'accepted', true],
      [100, 'refused', false],
    ] as const) {
      const proof = await caller.proof(token, { iat: start + age, nonce });
      const result = await jwt.authenticate(withProofs(token, proof), start + age);
      const text = result.verdict === 'accepted' ? String(result.identity.replyFields) : '';
      expect([age, result.verdict, /dpop-nonce/i.test(text)]).toEqual([age, verdict, hasNext]);
    }
    // A proof with it works once all the same.
    const proof = await caller.proof(token, { iat: start, nonce });
    const first = await jwt.authenticate(withProofs(token, proof), start);
    const again = await jwt.authenticate(withProofs(token, proof), start);
    expect([first.verdict, again.verdict]).toEqual(['accepted', 'refused']);
  });

  it('is none that somebody else has made, or changed, or that is of a time to come', async () => {
    const caller = await Caller.create();
    const jwt = await asking();
    const token = await caller.token();
    const nonce = await nonceFor(jwt, caller, NOW);
    const [slot = '', mac = ''] = nonce.split('.');
    const later = (Number.parseInt(slot, 36) + 1).toString(36);
    const foreign = await nonceFor(
      await asking({ ...feed(), nonceKey: Buffer.alloc(32, 2) }),
      caller,
      NOW,
    );
    for (const bad of [
      ...[foreign, `${later}.${mac}`, `${slot}.`, slot, '', `${nonce}A`, `0${nonce}`, ` ${nonce}`],
      ...[17, null, [nonce], { nonce }, 'A'.repeat(5000), 'NaN.x', '-1.x'],
    ]) {
      const proof = await caller.proof(token, { nonce: bad });
      const result = await jwt.authenticate(withProofs(token, proof), NOW);
      expect([bad, result.verdict]).toEqual([bad, 'refused']);
    }
    const proof = await caller.proof(token, { nonce });
    expect((await jwt.authenticate(withProofs(token, proof), NOW)).verdict).toBe('accepted');
  });

  it('of another gateway whose clock is ahead is taken', async () => {
    const caller = await Caller.create();
    const token = await caller.token();
    const start = Math.ceil(NOW / 50) * 50;
    const nonce = await nonceFor(await asking(), caller, start);
    const proof = await caller.proof(token, { iat: start - 5, nonce });
    const result = await (await asking()).authenticate(withProofs(token, proof), start - 5);
    expect(result.verdict).toBe('accepted');
  });

  it('is not asked for in vain while none can be made', async () => {
    const caller = await Caller.create();
    const token = await caller.token();
    const jwt = await asking({ ...feed(), nonceKey: null });
    const request = withProofs(token, await caller.proof(token));
    expect((await jwt.authenticate(request, NOW)).verdict).toBe('unavailable');
  });
});

describe('an introspected token', () => {
  it('is held against what it is bound to, as often as it comes', async () => {
    const ada = await Caller.create();
    const answers: Readonly<Record<string, object>> = {
      bound: { cnf: { jkt: ada.thumbprint }, act: { sub: 'a service' } },
      certified: { cnf: { 'x5t#S256': 'A'.repeat(43) } },
      odd: { cnf: { jkt: 17 } },
      free: {},
    };
    const server = await FakeUpstream.start(async (request, response) => {
      const form = new URLSearchParams(await text(request));
      const claims = answers[form.get('token') ?? ''];
      const known = { active: true, sub: 'ada', exp: NOW + 600, ...claims };
      response.end(JSON.stringify(claims === undefined ? { active: false } : known));
    });
    const make = (dpop: DpopRule['dpop']) =>
      new IntrospectionAuthenticator(
        {
          ...{ index: 0, name: 'asked', claimHeaders: [['x-actor', 'act.sub']] },
          ...{ forwardCredentials: true, type: 'introspection', forwardPlaces: false },
          from: [{ kind: 'header', name: 'authorization' }],
          ...{ url: server.url, clientId: 'g', clientSecret: 's', issuer: '', audiences: [] },
          ...{ clockSkewMs: 0, requiredClaims: [], binding: 'verify', timeoutMs: 5000 },
          ...{ cacheMs: 30_000, consumerClaim: 'sub' },
          ...{ dpop, dpopWindowMs: 60_000, dpopMemory: 'gateway', dpopNonceMs: 0 },
        },
        feed(),
      );
    const [asked, strict] = [make('bound'), make('required')];
    try {
      const bearer = async (one: IntrospectionAuthenticator, token: string) =>
        (await one.authenticate(aRequest({ authorization: `Bearer ${token}` }), NOW)).verdict;
      // Twice: what is remembered of a token knows nothing of who brings it.
      for (const _ of [1, 2]) {
        expect(await bearer(asked, 'free')).toBe('accepted');
        for (const token of ['bound', 'certified', 'odd', 'unknown']) {
          expect([token, await bearer(asked, token)]).toEqual([token, 'refused']);
        }
        expect(await bearer(strict, 'free')).toBe('refused');
        const proof = await ada.proof('bound');
        const held = await asked.authenticate(withProofs('bound', proof), NOW);
        expect(held).toMatchObject({ identity: { fields: ['x-actor', 'a service'] } });
        const again = await asked.authenticate(withProofs('bound', proof), NOW);
        expect(again.verdict).toBe('refused');
        const other = await (await Caller.create()).proof('bound');
        expect((await asked.authenticate(withProofs('bound', other), NOW)).verdict).toBe('refused');
      }
      expect([asked.challenge, strict.challenge.slice(0, 5)]).toEqual([
        'Bearer realm="sluice"',
        'DPoP ',
      ]);
    } finally {
      await Promise.all([asked.close(), strict.close(), server.close()]);
    }
  });
});
