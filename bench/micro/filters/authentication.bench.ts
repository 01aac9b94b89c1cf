/**
 * Question: what does an authenticator add to a request whose credentials are known, against the
 * same credentials checked from scratch, and against a route without one?
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import { ApiKeyAuthenticator } from '../../../src/filters/authentication/api-key-authenticator.js';
import type { Authenticator } from '../../../src/filters/authentication/authenticator.js';
import { BasicAuthenticator } from '../../../src/filters/authentication/basic-authenticator.js';
import { JwtAuthenticator } from '../../../src/filters/authentication/jwt-authenticator.js';
import type { CompiledJwtAuthenticator } from '../../../src/filters/authentication/options.js';
import { hashPassword } from '../../../src/filters/authentication/password-hash.js';
import { RequestFields } from '../../../src/worker/exchange/request-fields.js';
import { type Bench, type BenchCase, fold, summarise } from '../../support/bench-harness.js';

const SECRET = 'a secret of the bench that is long enough for HS256';
const NO_FEED = { subscribe: () => () => {}, askNewer: () => null, isRevoked: () => false };
const LIFE_SECONDS = 3600;

export const bench: Bench = {
  question: 'what does an authenticator cost a request?',

  async run(context) {
    const operations = context.parameter('requests', 16, 2048);
    const tokens = context.parameter('tokens', 2, 256);
    const keyCount = context.parameter('API keys', 4, 1000);
    const nowSeconds = Date.now() / 1000;
    const known = [
      await jwtKnown(tokens, nowSeconds),
      apiKeyKnown(keyCount),
      await basicKnown(nowSeconds),
    ];
    const cases = known.map(({ name, authenticator, requests }): BenchCase => {
      return {
        name,
        role: 'subject',
        operations,
        run: () => {
          let checksum = 0;
          for (let at = 0; at < operations; at += 1) {
            const request = requests[at % requests.length] as AnyRequest;
            const result = authenticator.authenticate(request, nowSeconds);
            if (result instanceof Promise || result.verdict !== 'accepted') throw new Error(name);
            checksum = fold(checksum, result.identity.consumer.length);
          }
          return checksum;
        },
      };
    });
    const fresh = [];
    for (const algorithm of ['HS256', 'RS256', 'ES256', 'EdDSA'] as const) {
      const rounds = context.parameter('tokens verified', 2, 200);
      fresh.push(await verifyFresh(algorithm, rounds));
    }
    return [...(await context.measureEach(cases)), ...fresh];
  },
};

type AnyRequest = Parameters<Authenticator['authenticate']>[0];

interface KnownCase {
  readonly name: string;
  readonly authenticator: Authenticator;
  readonly requests: readonly AnyRequest[];
}

/** As the worker makes it of a head with the usual fields. */
function request(name: string, value: string): AnyRequest {
  const parts = ['GET', '/', '127.0.0.1', 'http', 'host', 'bench.test', 'accept', '*/*'];
  parts.push('user-agent', 'bench', 'accept-encoding', 'gzip', name, value);
  const fields = new RequestFields(parts);
  return {
    method: 'GET',
    target: '/',
    routedTarget: '/',
    scheme: 'http',
    clientIp: '127.0.0.1',
    requestId: 'r',
    certificate: '',
    wholeBody: () => Buffer.alloc(0),
    fields,
  };
}

const AUTHORIZATION = { kind: 'header', name: 'authorization' } as const;
const COMMON = { index: 0, name: 'bench', claimHeaders: [], forwardCredentials: true };

function jwtConfig(wish: Partial<CompiledJwtAuthenticator>): CompiledJwtAuthenticator {
  return {
    ...COMMON,
    type: 'jwt',
    dpop: 'bound',
    dpopWindowMs: 60_000,
    dpopMemory: 'gateway',
    dpopNonceMs: 0,
    from: [AUTHORIZATION],
    forwardPlaces: false,
    algorithms: ['HS256'],
    secret: '',
    keys: [],
    keySource: null,
    issuer: 'bench',
    audiences: ['api'],
    clockSkewMs: 0,
    requiredClaims: ['exp'],
    binding: 'verify',
    consumerClaim: 'sub',
    ...wish,
  };
}

type SigningKey = Parameters<SignJWT['sign']>[0];

function sign(algorithm: string, key: SigningKey, id: number): Promise<string> {
  return new SignJWT({ jti: `token ${id}`, scope: 'a b c', email: `user${id}@bench.test` })
    .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
    .setSubject(`user-${id % 10}`)
    .setIssuer('bench')
    .setAudience('api')
    .setExpirationTime(Math.floor(Date.now() / 1000) + LIFE_SECONDS)
    .sign(key);
}

async function jwtKnown(tokens: number, nowSeconds: number): Promise<KnownCase> {
  const authenticator = await JwtAuthenticator.create(jwtConfig({ secret: SECRET }), NO_FEED);
  const requests = [];
  for (let id = 0; id < tokens; id += 1) {
    const token = await sign('HS256', Buffer.from(SECRET), id);
    const one = request('authorization', `Bearer ${token}`);
    await authenticator.authenticate(one, nowSeconds);
    requests.push(one);
  }
  return { name: 'jwt: a token that is remembered', authenticator, requests };
}

function apiKeyKnown(count: number): KnownCase {
  const names = Array.from({ length: count }, (_, at) => `key-${at}-${'x'.repeat(40)}`);
  const keys = names.map((key, at) => {
    const sha256 = createHash('sha256').update(key).digest('hex');
    return { id: `user-${at % 10}`, sha256, scopes: [] };
  });
  const from = [{ kind: 'header', name: 'apikey' }] as const;
  const rest = { from, forwardPlaces: false, isManaged: false, keys };
  const config = { ...COMMON, type: 'apiKey', ...rest } as const;
  const authenticator = new ApiKeyAuthenticator(config);
  const requests = names.map((key) => request('apikey', key));
  return { name: 'apiKey: one of many', authenticator, requests };
}

async function basicKnown(nowSeconds: number): Promise<KnownCase> {
  const users = [{ id: 'user-1', passwordHash: await hashPassword('x'), scopes: [] }];
  const authenticator = new BasicAuthenticator({ ...COMMON, type: 'basic', users });
  const credentials = Buffer.from('user-1:x').toString('base64');
  const one = request('authorization', `Basic ${credentials}`);
  await authenticator.authenticate(one, nowSeconds);
  return { name: 'basic: a password that is remembered', authenticator, requests: [one] };
}

/** One at a time, each for the first time. */
async function verifyFresh(algorithm: 'HS256' | 'RS256' | 'ES256' | 'EdDSA', rounds: number) {
  const { config, key } = keysOf(algorithm);
  const authenticator = await JwtAuthenticator.create(config, NO_FEED);
  const nsPerOperation: number[] = [];
  let checksum = 0;
  for (let id = 0; id < rounds; id += 1) {
    const one = request('authorization', `Bearer ${await sign(algorithm, key, id)}`);
    const startedNs = process.hrtime.bigint();
    const result = await authenticator.authenticate(one, Date.now() / 1000);
    nsPerOperation.push(Number(process.hrtime.bigint() - startedNs));
    if (result.verdict !== 'accepted') throw new Error(`${algorithm}: ${result.verdict}`);
    checksum = fold(checksum, result.identity.consumer.length);
  }
  const name = `jwt: ${algorithm}, verified`;
  return summarise({ name, role: 'alternative', nsPerOperation, checksum });
}

function keysOf(algorithm: 'HS256' | 'RS256' | 'ES256' | 'EdDSA'): {
  config: CompiledJwtAuthenticator;
  key: SigningKey;
} {
  const algorithms = [algorithm];
  if (algorithm === 'HS256') {
    return { config: jwtConfig({ algorithms, secret: SECRET }), key: Buffer.from(SECRET) };
  }
  const { publicKey, privateKey } =
    algorithm === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : algorithm === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519');
  const keys = [{ ...publicKey.export({ format: 'jwk' }) }];
  return { config: jwtConfig({ algorithms, keys }), key: privateKey };
}
