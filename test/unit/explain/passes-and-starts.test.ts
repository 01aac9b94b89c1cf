/** Whatever passes the checks of a configuration starts, and every request to it is explained. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/check/config-error.js';
import type { GatewayConfig } from '../../../src/config/gateway-config.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { openConfig } from '../../../src/config/shared/shared-config.js';
import { loadObject } from '../../../src/config/source/load-file.js';
import { CacheCopy } from '../../../src/explain/cache-copy.js';
import { expectedEngine } from '../../../src/explain/expected-engine.js';
import { explainRequest } from '../../../src/explain/explain-request.js';
import { OFFLINE_AUTHENTICATORS } from '../../../src/supervisor/loading/offline-authenticators.js';
import { WorkerEpoch } from '../../../src/worker/worker-epoch.js';

const rarely = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });

const segment = fc.constantFrom(
  'a',
  'b.c',
  ':id',
  ':name.pdf',
  ':id\\:cancel',
  ':n([0-9]+)',
  ':x-:y',
  ':',
  ':q(',
  '..',
  '%41',
  '*',
  'a*',
  '',
);
const path = fc.oneof(
  { arbitrary: fc.array(segment, { maxLength: 3 }).map((all) => `/${all.join('/')}`), weight: 6 },
  fc.constantFrom('/*', '/a/*', '/:t/*', '~/a.*', '~ /b/[0-9]+|/c', '~(', '~', 'a'),
);
const test = fc.oneof(
  fc.constantFrom('1', ''),
  fc.constantFrom({ present: true }, { present: false }, { prefix: 'a' }, { pattern: 'a+|b' }, {}),
);
const match = fc.record(
  {
    path,
    methods: rarely(fc.uniqueArray(fc.constantFrom('GET', 'POST', 'OPTIONS'), { minLength: 1 })),
    hosts: rarely(
      fc.uniqueArray(fc.constantFrom('a.test', '*.test', 'é.test', 'a:1'), { minLength: 1 }),
    ),
    headers: rarely(fc.dictionary(fc.constantFrom('x-a', 'X-B'), test, { minKeys: 1 })),
    query: rarely(fc.dictionary(fc.constantFrom('q', 'r s'), test, { minKeys: 1 })),
    cookies: rarely(fc.dictionary(fc.constantFrom('c', 'd'), test, { minKeys: 1 })),
    priority: rarely(fc.constantFrom(-1, 1)),
    version: rarely(fc.constantFrom('1', '2')),
  },
  { requiredKeys: ['path'] },
);
const answer = fc.constantFrom(
  { upstream: 'api' },
  { upstream: 'api' },
  { respond: { status: 200, body: 'x' } },
  { redirect: { to: '/other' } },
);
const route = fc
  .tuple(
    fc.record({ match }, { requiredKeys: ['match'] }),
    answer,
    fc.record({
      authenticate: rarely(fc.constant(['keys'])),
      ipFilter: rarely(fc.constantFrom({ allow: ['10.0.0.0/8'] }, { deny: ['::1'] })),
      cors: rarely(fc.constant({ origins: ['https://a.test'] })),
      securityHeaders: rarely(fc.constant(true)),
      rateLimit: rarely(fc.constantFrom({ limit: 5, window: '1s' }, { maxInFlight: 2 })),
      validation: rarely(fc.constant({ query: { type: 'object', required: ['a'] } })),
      rewrite: rarely(
        fc.constantFrom(
          { stripPrefix: '/a' },
          { path: '/x/${params.id}' },
          { headers: { set: { 'x-ip': '${clientIp}' } } },
        ),
      ),
    }),
  )
  .map(([base, answered, filters]) => ({ ...base, ...answered, ...withoutAbsent(filters) }));

const config = fc
  .tuple(
    fc.array(route, { minLength: 1, maxLength: 5 }),
    fc.constantFrom(undefined, { by: 'path' }, { by: 'header', header: 'x-v', default: '1' }),
  )
  .map(([routes, versioning]) => ({
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
    authenticators: { keys: { type: 'apiKey', keys: [{ id: 'k', sha256: 'a'.repeat(64) }] } },
    ...(versioning && { versioning }),
    routes: routes.map((one, at) => ({ name: `r${at}`, ...one, match: withoutAbsent(one.match) })),
  }));

const REQUESTS = [
  ['GET', '/', []],
  [
    'GET',
    '/a/7?q=1',
    [
      ['host', 'a.test'],
      ['cookie', 'c=1; d=a'],
    ],
  ],
  [
    'POST',
    '/b.c/x.pdf',
    [
      ['host', 'é.test:80'],
      ['x-a', '1'],
    ],
  ],
  [
    'OPTIONS',
    '/v1/a',
    [
      ['origin', 'https://a.test'],
      ['access-control-request-method', 'GET'],
    ],
  ],
  ['GET', '/a/caf%E9/', [['x-v', '2']]],
] as const;

function withoutAbsent<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, one]) => one !== undefined),
  ) as Partial<T>;
}

function load(written: object): ReturnType<typeof loadObject> | null {
  try {
    return loadObject(written as GatewayConfig);
  } catch (error) {
    if (error instanceof ConfigError) return null;
    throw error;
  }
}

/** The routes that pass beside those before them. */
function loadSound(written: { readonly routes: readonly object[] }): ReturnType<typeof load> {
  let sound: ReturnType<typeof load> = null;
  let routes: readonly object[] = [];
  for (const one of written.routes) {
    const loaded = load({ ...written, routes: [...routes, one] });
    if (loaded === null) continue;
    routes = [...routes, one];
    sound = loaded;
  }
  return sound;
}

it('whatever passes the checks starts, and every request to it is explained', async () => {
  let passed = 0;
  await fc.assert(
    fc.asyncProperty(config, async (written) => {
      const loaded = loadSound(written);
      if (loaded === null) return;
      passed += 1;
      const served = openConfig(shareConfig(loaded.compiled));
      const epoch = await WorkerEpoch.create(served, OFFLINE_AUTHENTICATORS, () => 1000);
      epoch.proveAllRoutes();
      for (const [method, target, fields] of REQUESTS) {
        const explained = await explainRequest(
          { method, target, from: '127.0.0.1', fields, listener: '', consumer: null, repeat: 1 },
          {
            config: served,
            epoch,
            engineOf: expectedEngine,
            memory: null,
            cache: CacheCopy.empty(),
            hashKey: [1, 2],
            moment: { nowMs: 1000, unixMs: 1000 },
          },
        );
        expect(explained.outcome.kind).toMatch(/^(forwarded|answered|refused)$/);
      }
    }),
    { numRuns: 150 },
  );
  expect(passed).toBeGreaterThan(20);
});
