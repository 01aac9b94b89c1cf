import { createHmac, generateKeyPairSync } from 'node:crypto';
import {
  CompactSign,
  compactVerify,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
} from 'jose';
import { describe, expect, it } from 'vitest';
import type { Jwk } from '../../../../src/base/json-web-key.js';
import { KeyRing } from '../../../../src/filters/authentication/key-ring.js';
import {
  KEY_UNKNOWN,
  readToken,
  signatureProblem,
} from '../../../../src/filters/authentication/signed-token.js';
import { describeWithData, sharedJsonFiles } from '../../../support/shared-data.js';

const EVERY_ALGORITHM = [
  ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
];

interface VectorGroup {
  readonly comment: string;
  readonly public?: Jwk;
  readonly private?: Jwk;
  readonly tests: readonly {
    readonly tcId: number;
    readonly comment: string;
    readonly jws: string;
    readonly result: 'valid' | 'invalid';
  }[];
}

/** Vectors that contradict others of the same file; what they would have us do is not done. */
const CONTRADICTIONS: Readonly<Record<number, string>> = {
  346: 'the key says PS256, the token PS384: the ps512 group wants such tokens refused',
  350: 'the same',
  347: 'the key says ES521, which is no algorithm',
  351: 'the same',
  367: 'byte for byte the same token as 357, which is to be accepted',
  370: 'the same',
  372: 'a character that base64url does not have: 361 to 364 want such tokens refused',
  373: 'the same',
};

/** What the gateway says to a token under one key, with every algorithm allowed. */
async function problemOf(token: unknown, keys: readonly Jwk[]): Promise<string> {
  if (typeof token !== 'string') return 'not in the compact form';
  const parts = readToken(token);
  if (parts === undefined) return 'malformed';
  return signatureProblem(parts, await KeyRing.create(keys, EVERY_ALGORITHM));
}

describeWithData(['wycheproof'], 'Wycheproof vectors of JWS', () => {
  const files = sharedJsonFiles('wycheproof').filter(({ path }) => path.includes('signature'));
  const groups = files.flatMap(({ json }) => (json as { testGroups: VectorGroup[] }).testGroups);
  const vectors = groups.flatMap((group) => group.tests.map((test) => ({ group, test })));

  it('are all there', () => {
    expect(vectors.length).toBe(401);
  });

  it('get the verdict that they ask for, but for those that contradict others', async () => {
    const wrong: number[] = [];
    for (const { group, test } of vectors) {
      const key = group.public ?? group.private ?? {};
      const problem = await problemOf(test.jws, [key]);
      if ((problem === '') !== (test.result === 'valid')) wrong.push(test.tcId);
    }
    expect(wrong).toEqual(Object.keys(CONTRADICTIONS).map(Number));
  });

  it('are good where nothing but what the key says of itself was in the way', async () => {
    for (const { group, test } of vectors) {
      if (![346, 347, 350, 351].includes(test.tcId)) continue;
      const { alg: _, ...key } = group.public ?? {};
      expect([test.tcId, await problemOf(test.jws, [key])]).toEqual([test.tcId, '']);
    }
  });

  it('that the library alone would let pass are refused here', async () => {
    const lenient: number[] = [];
    for (const { group, test } of vectors) {
      if (test.result === 'valid' || test.tcId in CONTRADICTIONS) continue;
      const key = group.public ?? group.private ?? {};
      if (!(await isAcceptedByJose(test.jws, key))) continue;
      lenient.push(test.tcId);
      expect(await problemOf(test.jws, [key])).not.toBe('');
    }
    expect(lenient).toEqual([353, 354, 360, 365, 368, 375]);
  });
});

async function isAcceptedByJose(token: string, jwk: Jwk): Promise<boolean> {
  try {
    const { alg } = decodeProtectedHeader(token);
    await compactVerify(token, await importJWK(jwk, String(jwk['alg'] ?? alg)));
    return true;
  } catch {
    return false;
  }
}

interface CookbookExample {
  readonly title: string;
  readonly input: { readonly key: Jwk | readonly Jwk[]; readonly payload: string };
  readonly signing: CookbookSignature | readonly CookbookSignature[];
  readonly output: { readonly compact?: string };
}

interface CookbookSignature {
  readonly protected?: Readonly<Record<string, unknown>>;
  readonly protected_b64u?: string;
  readonly sig: string;
}

/** Each signature with its key, as a token in the compact form, which is all that HTTP carries. */
function compactTokens({ input, signing }: CookbookExample) {
  const keys = [input.key].flat();
  const payload = Buffer.from(input.payload, 'utf8').toString('base64url');
  return [signing].flat().map((one, at) => ({
    header: one.protected,
    key: keys[at] ?? {},
    token: `${one.protected_b64u}.${payload}.${one.sig}`,
  }));
}

describeWithData(['cookbook'], 'RFC examples', () => {
  const examples = [
    ...sharedJsonFiles('cookbook/jws'),
    ...sharedJsonFiles('cookbook/rfc7797'),
    ...sharedJsonFiles('cookbook/curve25519').filter(({ path }) => path === 'jws.json'),
  ].map(({ path, json }) => ({ path, example: json as CookbookExample }));
  const tokens = examples.flatMap(({ path, example }) =>
    compactTokens(example).map((one) => ({ path, ...one })),
  );
  const isSigned = ({ header }: (typeof tokens)[number]) => typeof header?.['alg'] === 'string';
  const isPlain = ({ header }: (typeof tokens)[number]) => header?.['b64'] !== false;

  it('are all there', () => {
    expect(tokens.filter(isSigned).filter(isPlain).length).toBeGreaterThanOrEqual(8);
  });

  it.each(tokens.filter(isSigned).filter(isPlain))('verify: $path', async ({ token, key }) => {
    expect(await problemOf(token, [key])).toBe('');
    // And with nothing else: another key, another byte.
    expect(await problemOf(token, [])).not.toBe('');
    expect(await problemOf(token.replace('.', '.A'), [key])).not.toBe('');
  });

  it.each(tokens.filter((one) => !isSigned(one)))(
    'whose algorithm is not protected are refused: $path',
    async ({ token, key }) => {
      expect(await problemOf(token, [key])).not.toBe('');
    },
  );

  it.each(tokens.filter((one) => !isPlain(one)))(
    'whose payload is not encoded are no tokens (RFC 7797 7): $path',
    async ({ token, key }) => {
      expect(await problemOf(token, [key])).toBe('malformed');
    },
  );
});

describe('keys', () => {
  const pairs = [
    ...[
      { alg: 'RS256', other: 'PS256' },
      { alg: 'PS384', other: 'PS512' },
      { alg: 'ES256', other: 'ES384' },
    ],
    ...[
      { alg: 'ES384', other: 'ES256' },
      { alg: 'ES512', other: 'EdDSA' },
      { alg: 'EdDSA', other: 'ES256' },
    ],
  ];

  it.each(pairs)('of $alg verify that and nothing else', async ({ alg, other }) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg };
    const token = await new CompactSign(Buffer.from('{}'))
      .setProtectedHeader({ alg, kid: 'one' })
      .sign(privateKey);
    expect(await problemOf(token, [jwk])).toBe('');
    expect(await problemOf(token, [{ ...jwk, kid: undefined }])).toBe('');
    for (const wish of [{ alg: other }, { use: 'enc' }, { key_ops: ['sign'] }, { kid: 'two' }]) {
      expect([wish, await problemOf(token, [{ ...jwk, ...wish }])]).toEqual([wish, KEY_UNKNOWN]);
    }
  });

  it('that are too short or broken are left out', async () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    const keys = [
      short.export({ format: 'jwk' }),
      { kty: 'oct', k: Buffer.alloc(31).toString('base64url') },
      { kty: 'oct', k: '' },
      { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' },
      { kty: 'OKP', crv: 'X25519', x: 'AAAA' },
      { kty: 'RSA' },
      { kty: 7 },
      {},
    ];
    expect((await KeyRing.create(keys, EVERY_ALGORITHM)).size).toBe(0);
  });

  it('a public key is not taken for a shared secret, in whatever form', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one' };
    const secrets = [
      publicKey.export({ format: 'pem', type: 'spki' }),
      publicKey.export({ format: 'der', type: 'spki' }),
      JSON.stringify(jwk),
      Buffer.from(jwk.n ?? '', 'base64url'),
    ];
    for (const secret of secrets) {
      const head = Buffer.from('{"alg":"HS256","kid":"one"}').toString('base64url');
      const text = `${head}.${Buffer.from('{}').toString('base64url')}`;
      const mac = createHmac('sha256', secret).update(text).digest('base64url');
      expect(await problemOf(`${text}.${mac}`, [jwk])).toBe(KEY_UNKNOWN);
    }
  });
});
