/**
 * Every `config/*.config.txt`: a configuration, a dashed line, and what becomes of it, which is
 * the exact errors, or what the compiled configuration has that the smallest one has not.
 * `UPDATE_GOLDEN=1` writes what is there now.
 *
 * Lines `# env NAME=value` at the top of a case are its environment.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ConfigError } from '../../src/config/check/config-error.js';
import type { CompiledConfig } from '../../src/config/compiled-config.js';
import { loadConfigText } from '../../src/config/source/load-config.js';
import { compileConfig } from '../support/compile-config.js';
import { machineOf } from '../support/machine.js';
import { differencesFrom } from './differences.js';

const FOLDER = new URL('./config/', import.meta.url);
const SUFFIX = '.config.txt';
const SEPARATOR = `${'-'.repeat(40)}\n`;

const cases = readdirSync(FOLDER).filter((name) => name.endsWith(SUFFIX));

/** Required keys and nothing else. */
const SMALLEST = `
upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } }
routes: [{ name: all, match: { path: '/*' }, upstream: api }]
`;

/** Each part that the smallest one does not have, with its required keys and nothing else. */
const EVERY_PART = `
tracing: { endpoint: 'http://127.0.0.1:4318/v1/traces' }
ipFilter: { deny: [192.0.2.1] }
versioning: { by: header }
tokenService: { issuer: i, audience: a }
authenticators:
  jwt: { type: jwt, algorithms: [HS256], secret: 0123456789abcdef0123456789abcdef }
  jwks: { type: jwt, algorithms: [ES256], jwksUri: 'https://127.0.0.1/jwks' }
  apiKey: { type: apiKey, keys: [{ id: a, sha256: ${'ab'.repeat(32)} }] }
  basic: { type: basic, users: [{ id: a, passwordHash: $HASH }] }
  introspection:
    { type: introspection, url: 'https://127.0.0.1/', clientId: c, clientSecret: s }
  forwardAuth: { type: forwardAuth, url: 'https://127.0.0.1/' }
upstreams:
  api:
    targets: [{ url: 'http://127.0.0.1:8001' }, { url: 'http://named.example:8002' }]
    loadBalancing: { stickyCookie: { name: c } }
    circuitBreaker: { failureRate: { percent: 50 } }
    healthCheck: { type: http }
    outlierDetection: {}
    resolve: {}
    adaptiveConcurrency: {}
    hedge: { after: 1s }
routes:
  - name: all
    match: { path: '/*', version: '1' }
    upstream: api
    authenticate: [jwt]
    authorize: { scopes: [s] }
    rateLimit: { limit: 1, window: 1s, maxInFlight: 1 }
    ipFilter: { deny: [192.0.2.1] }
    cors: { origins: ['https://a.example'] }
    securityHeaders: true
    guards: {}
    deprecation: {}
    validation: { body: {}, query: {}, params: {}, headers: {} }
    rewrite: { query: { set: { a: b } }, headers: { add: { a: b } }, body: {} }
    rewriteReply: { headers: { add: { a: b } }, body: {} }
`.replace('$HASH', `'$$scrypt$$ln=15,r=8,p=1$$${'A'.repeat(22)}$$${'A'.repeat(43)}'`);

describe('golden configurations', () => {
  const bases = [SMALLEST, EVERY_PART].map((text) => compileText(text));

  it('are there', () => {
    expect(cases.length).toBeGreaterThanOrEqual(15);
  });

  it('say nothing of what is as in the smallest', () => {
    const [smallest, everyPart] = bases;
    expect(differencesFrom(smallest, bases)).toBeUndefined();
    expect(differencesFrom(everyPart, bases)).toBeDefined();
  });

  it.each(cases)('%s gives what it says', (name) => {
    const url = new URL(name, FOLDER);
    const [input = '', expected = ''] = readFileSync(url, 'utf8').split(SEPARATOR);
    const outcome = compileOrExplain(input, bases);
    if (process.env['UPDATE_GOLDEN'] === '1') {
      writeFileSync(url, `${input}${SEPARATOR}${outcome}`);
      return;
    }
    expect(outcome).toBe(expected);
  });
});

function compileOrExplain(input: string, bases: readonly unknown[]): string {
  try {
    return stringify(differencesFrom(compileText(input), bases) ?? {}, { lineWidth: 0 });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return `${error.message}\n`;
  }
}

/** The compiled configuration; of shared secrets only how long they are. */
function compileText(text: string): object {
  const config = loadConfigText(text, {
    file: 'sluice.yaml',
    environment: readEnvironment(text),
  });
  const compiled: CompiledConfig = compileConfig(config, { machine: machineOf(8) });
  const authenticators = compiled.authenticators.map((one) => {
    if (one.type !== 'jwt') return one;
    const { secret, ...shown } = one;
    return { ...shown, secretBytes: secret.length };
  });
  return { ...compiled, authenticators };
}

function readEnvironment(input: string): Record<string, string> {
  const lines = input.matchAll(/^# env (\w+)=(.*)$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}
