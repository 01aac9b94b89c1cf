import { describe, expect, it } from 'vitest';
import { diffConfigs, formatChange } from '../../../../src/config/changes/diff-config.js';
import { restartReasons } from '../../../../src/config/changes/live-fields.js';
import { maskSecrets, maskUrl } from '../../../../src/config/changes/mask-secrets.js';
import type { GatewayConfig } from '../../../../src/config/gateway-config.js';
import { compileConfig } from '../../../support/compile-config.js';

const SECRET = 'a secret of at least thirty-two bytes';

const BEFORE: GatewayConfig = {
  admin: { token: 'the-token-of-the-admin' },
  authenticators: { users: { type: 'jwt', algorithms: ['HS256'], secret: SECRET } },
  upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }, { url: 'http://127.0.0.1:2' }] } },
  routes: [
    {
      name: 'one',
      match: { path: '/one' },
      upstream: 'api',
      rateLimit: { limit: 5, window: '1m' },
    },
    { name: 'two', match: { path: '/two' }, upstream: 'api', authenticate: ['users'] },
  ],
};

const linesOf = (before: GatewayConfig, after: GatewayConfig): string[] =>
  diffConfigs(before, after).map(formatChange);

describe('the difference of two configurations', () => {
  it('is empty when only the order of routes is another', () => {
    expect(linesOf(BEFORE, { ...BEFORE, routes: BEFORE.routes.toReversed() })).toEqual([]);
  });

  it('names every value that is another, comes or goes', () => {
    const [one, two] = BEFORE.routes;
    const after: GatewayConfig = {
      ...BEFORE,
      listen: { port: 81 },
      upstreams: {
        ...BEFORE.upstreams,
        api: { targets: [{ url: 'http://127.0.0.1:3' }], timeouts: { connect: '1s' } },
        new: { targets: [{ url: 'http://127.0.0.1:9' }] },
      },
      routes: [
        { ...one, rateLimit: { limit: 6, window: '1m' } } as GatewayConfig['routes'][0],
        { ...two, name: 'three' } as GatewayConfig['routes'][0],
      ],
    };
    expect(linesOf(BEFORE, after)).toEqual([
      '~ routes.one: rateLimit.limit: 5 -> 6',
      '- routes.two',
      '+ routes.three',
      '~ upstreams.api: targets[0].url: http://127.0.0.1:1 -> http://127.0.0.1:3, ' +
        'targets[1]: {"url":"http://127.0.0.1:2"} -> (none), timeouts: (none) -> {"connect":"1s"}',
      '+ upstreams.new',
      '+ settings.listen',
    ]);
  });

  it('says that a secret is another, and not which', () => {
    const after: GatewayConfig = {
      ...BEFORE,
      admin: { token: 'another-token-of-the-admin' },
      authenticators: {
        users: { type: 'jwt', algorithms: ['HS256'], secret: `${SECRET} and more` },
      },
    };
    expect(linesOf(BEFORE, after)).toEqual([
      '~ authenticators.users: secret: *** -> ***',
      '~ settings.admin: token: *** -> ***',
    ]);
  });
});

describe('a configuration that is shown', () => {
  it('has all but its secrets', () => {
    const shown = maskSecrets(BEFORE);
    expect(shown).toEqual({
      ...BEFORE,
      admin: { token: '***' },
      authenticators: { users: { type: 'jwt', algorithms: ['HS256'], secret: '***' } },
    });
  });

  it('hides what routes write into requests and replies', () => {
    const [one, ...others] = BEFORE.routes;
    const edits = { headers: { set: { a: SECRET } }, body: { set: { '/a': { b: [SECRET] } } } };
    const rewrite = { ...edits, query: { add: { a: SECRET } } };
    const routes = [{ ...one, rewrite, rewriteReply: edits }, ...others];
    const shown = JSON.stringify(maskSecrets({ ...BEFORE, routes } as GatewayConfig));
    expect(shown).not.toContain(SECRET);
    expect(shown).toContain('"/a":"***"');
  });

  it('hides what the schema does not know', () => {
    const odd = { ...BEFORE, extra: { password: SECRET } } as GatewayConfig;
    expect(JSON.stringify(maskSecrets(odd))).not.toContain(SECRET);
  });
});

describe('what takes a restart', () => {
  const reasons = (after: Partial<GatewayConfig>): string[] =>
    restartReasons(compileConfig(BEFORE), compileConfig({ ...BEFORE, ...after }));

  it('is sockets, threads and sizes of tables', () => {
    expect(
      reasons({
        admin: { host: '::1', token: 'another-token-of-the-admin' },
        limits: { trackedClients: 2048, inFlight: 7 },
      }),
    ).toEqual([
      'admin.host: 127.0.0.1 -> ::1 takes a restart',
      'limits.trackedClients: 262144 -> 2048 takes a restart',
      'limits.inFlight: 10000 -> 7 takes a restart',
    ]);
    expect(reasons({ workers: 17 })[0]).toMatch(/^workers: \d+ -> 17 takes a restart$/);
  });

  it('is nothing else', () => {
    expect(
      reasons({
        admin: { token: 'another-token-of-the-admin', allowedHosts: ['a.example'] },
        limits: { headerBytes: '8KiB', bodyBytes: '2MiB' },
        logging: { level: 'warn' },
        reload: { watch: false },
        shutdown: { delay: '5s', grace: '5s' },
        trustedProxies: ['10.0.0.0/8'],
        routes: BEFORE.routes.slice(1),
      }),
    ).toEqual([]);
  });

  it('is a field that nobody has said of that it can change', () => {
    const before = compileConfig(BEFORE);
    const after = { ...before, novelty: { depth: 2 } };
    expect(restartReasons(before, after)).toEqual([
      'novelty.depth: undefined -> 2 takes a restart',
    ]);
  });
});

describe('a URL in a configuration that is shown', () => {
  it.each([
    ['http://me:pw@a.test:80/x?y=1', 'http://***@a.test:80/x?y=1'],
    ['https://pw@a.test', 'https://***@a.test'],
    ['https://a.test/x@y', 'https://a.test/x@y'],
    ['https://a@b@c.test/', 'https://***@c.test/'],
    [
      'https://a.test/k?p=b2c&api_key=s3&accessToken=s4',
      'https://a.test/k?p=b2c&api_key=***&accessToken=***',
    ],
    ['https://a.test/?SIG=s#token=s', 'https://a.test/?SIG=***#token=***'],
    ['https://a.test/?keyboard=de', 'https://a.test/?keyboard=de'],
    ['/path?token=x', '/path?token=x'],
    ['no url', 'no url'],
  ])('%s is shown as %s', (url, shown) => {
    expect(maskUrl(url)).toBe(shown);
  });

  it('is masked wherever it stands', () => {
    const shown = maskSecrets({
      ...BEFORE,
      upstreams: { api: { targets: [{ url: 'http://me:hunter2@127.0.0.1:1' as never }] } },
      tracing: { endpoint: 'https://otel.test/v1?api-key=hunter2' as never },
    });
    expect(JSON.stringify(shown)).not.toContain('hunter2');
    expect(JSON.stringify(shown)).toContain('otel.test');
  });
});
