/** What a configuration would have done with the requests of a log. */
import { describe, expect, it } from 'vitest';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { Replayer, type ReplayResult } from '../../../src/replay/replayer.js';
import { compileConfig } from '../../support/compile-config.js';

const BEGIN = Date.UTC(2026, 10, 28, 10);

interface Wish {
  /** When it began, in ms after the first. */
  readonly at?: number;
  readonly took?: number;
  readonly [field: string]: unknown;
}

function line({ at = 0, took = 0, ...changed }: Wish = {}): string {
  return JSON.stringify({
    time: new Date(BEGIN + at + took).toISOString(),
    clientIp: '192.0.2.7',
    consumer: '',
    method: 'GET',
    target: '/api/users',
    route: 'api',
    status: 200,
    durationMs: took,
    code: '',
    end: 'complete',
    msg: 'request',
    ...changed,
  });
}

interface Route {
  readonly [key: string]: unknown;
}

function configOf(route: Route = {}, more: object = {}) {
  return compileConfig({
    upstreams: {
      api: { targets: [{ url: 'http://10.0.0.5:8001' }] },
      other: { targets: [{ url: 'http://10.0.0.6:8001' }] },
    },
    authenticators: {
      keys: { type: 'apiKey', keys: [{ id: 'ada', sha256: 'a'.repeat(64) }] },
    },
    routes: [{ name: 'api', match: { path: '/api/*' }, upstream: 'api', ...route }],
    ...more,
  });
}

async function replay(
  lines: readonly string[],
  config: ReturnType<typeof compileConfig>,
  against: ReturnType<typeof compileConfig> | null = null,
): Promise<ReplayResult> {
  const replayer = await Replayer.create({
    config: shareConfig(config),
    against: against === null ? null : shareConfig(against),
    host: 'localhost',
  });
  for (const one of lines) replayer.take(one);
  return replayer.finish();
}

const many = (count: number, wish: (nth: number) => Wish) =>
  Array.from({ length: count }, (_, nth) => line(wish(nth)));

const kinds = ({ changes }: ReplayResult) =>
  changes.map(({ kind, before, after, requests }) => [kind, before, after, requests]);

describe('limits on the clock of the log', () => {
  const rateLimit = { limit: 3, window: '10s', key: 'clientIp' };

  it('refuse what is over them, and let in again what comes later', async () => {
    const burst = many(5, (nth) => ({ at: nth }));
    const later = many(2, (nth) => ({ at: 30_000 + nth }));
    const result = await replay([...burst, ...later], configOf({ rateLimit }), configOf());
    expect(result.outcomes).toEqual({ forwarded: 5, GW_RATE_LIMITED: 2 });
    expect(kinds(result)).toEqual([
      ['refused', 'route api: upstream api', 'route api: 429 GW_RATE_LIMITED', 2],
    ]);
    expect(result).toMatchObject({ requests: 7, changed: 2, seconds: 30 });
  });

  it('count by address and by caller as they came', async () => {
    const byAddress = many(8, (nth) => ({ at: nth, clientIp: `192.0.2.${nth % 2}` }));
    expect((await replay(byAddress, configOf({ rateLimit }))).outcomes).toEqual({
      forwarded: 6,
      GW_RATE_LIMITED: 2,
    });
    const route = { authenticate: ['keys'], rateLimit: { ...rateLimit, key: 'consumer' } };
    const byCaller = many(8, (nth) => ({ at: nth, consumer: nth < 5 ? 'ada' : 'bob' }));
    const result = await replay(byCaller, configOf(route), configOf({ authenticate: ['keys'] }));
    expect(result.changes).toMatchObject([{ kind: 'refused', consumers: [['ada', 2]] }]);
  });

  it('decide in the order in which requests began, not in that of the lines', async () => {
    // The first two ended last.
    const lines = [
      line({ at: 2000, target: '/api/3' }),
      line({ at: 3000, target: '/api/4' }),
      line({ at: 0, took: 5000, target: '/api/1' }),
      line({ at: 1000, took: 5000, target: '/api/2' }),
    ];
    const result = await replay(lines, configOf({ rateLimit }), configOf());
    expect(result.changes).toMatchObject([{ requests: 1, example: 'GET /api/4' }]);
  });

  it('hold places for as long as a request took', async () => {
    const config = configOf({ rateLimit: { maxInFlight: 2, key: 'clientIp' } });
    const lines = [
      line({ at: 0, took: 1000 }),
      line({ at: 100, took: 1000 }),
      line({ at: 200, took: 10 }),
      line({ at: 1001, took: 10 }),
      line({ at: 1101, took: 10 }),
    ];
    expect((await replay(lines, config)).outcomes).toEqual({ forwarded: 4, GW_RATE_LIMITED: 1 });
  });
});

describe('breakers', () => {
  const upstreams = {
    api: {
      targets: [{ url: 'http://10.0.0.5:8001' }],
      circuitBreaker: { failureThreshold: 3, openFor: '10s' },
    },
  };

  it('open after the failures of the log, and close again', async () => {
    const config = configOf({}, { upstreams });
    const failures = many(3, (nth) => ({
      at: nth * 10,
      took: 1,
      status: 502,
      code: 'GW_UPSTREAM_RESET',
    }));
    const refused = many(2, (nth) => ({ at: 100 + nth, took: 1 }));
    const later = many(3, (nth) => ({ at: 20_000 + nth * 100, took: 1 }));
    const { outcomes } = await replay([...failures, ...refused, ...later], config);
    expect(outcomes).toEqual({ forwarded: 6, GW_CIRCUIT_OPEN: 2 });
  });

  it('do not count a client that left', async () => {
    const left = many(9, (nth) => ({ at: nth * 10, took: 1, status: 499 }));
    const { outcomes } = await replay(left, configOf({}, { upstreams }));
    expect(outcomes).toEqual({ forwarded: 9 });
  });
});

describe('differences', () => {
  it('are none under the same configuration', async () => {
    const route = { rateLimit: { limit: 2, window: '1s', key: 'clientIp' } };
    const lines = many(50, (nth) => ({ at: nth * 37, target: nth % 3 === 0 ? '/no' : '/api/a' }));
    const { changed, changes } = await replay(lines, configOf(route), configOf(route));
    expect([changed, changes]).toEqual([0, []]);
  });

  it('tell the route, the upstream, the path and the refusal', async () => {
    const now = compileConfig({
      upstreams: { api: { targets: [{ url: 'http://10.0.0.5:8001' }] } },
      routes: [
        { name: 'one', match: { path: '/api/one' }, upstream: 'api' },
        {
          name: 'api',
          match: { path: '/api/:rest' },
          upstream: 'api',
          rewrite: { stripPrefix: '/api' },
        },
        { name: 'new', match: { path: '/new' }, respond: { status: 204 } },
        {
          name: 'inner',
          match: { path: '/inner' },
          upstream: 'api',
          ipFilter: { allow: ['10.0.0.0/8'] },
        },
      ],
    });
    const inner = { name: 'inner', match: { path: '/inner' }, upstream: 'api' };
    const api = { name: 'api', match: { path: '/api/*' }, upstream: 'api' };
    const was = configOf({}, { routes: [api, inner] });
    const targets = ['/api/one', '/api/two?x', '/api/a/b', '/new', '/inner', '/no'];
    const lines = targets.map((target, nth) => line({ at: nth, target }));
    expect(kinds(await replay(lines, now, was))).toEqual([
      ['refused', 'route api: upstream api', 'no route: 404 GW_ROUTE_NOT_FOUND', 1],
      ['refused', 'route inner: upstream api', 'route inner: 403 GW_ADDRESS_DENIED', 1],
      ['admitted', 'no route: 404 GW_ROUTE_NOT_FOUND', 'route new: answers 204', 1],
      ['route', 'route api: upstream api', 'route one: upstream api', 1],
      ['path', 'route api', 'another path', 1],
    ]);
    const { changes } = await replay(lines, now, was);
    expect(changes.at(-1)?.example).toBe('GET /api/two?x: /api/two?x → /two?x');
  });

  it('to what the log says: refusals that it can judge', async () => {
    const lines = [
      line(),
      line({ at: 1, status: 429, code: 'GW_RATE_LIMITED' }),
      line({ at: 2, status: 413, code: 'GW_BODY_TOO_LARGE' }),
      line({ at: 3, target: '/gone', route: '', status: 200 }),
      line({ at: 4, route: 'older' }),
    ];
    expect(kinds(await replay(lines, configOf()))).toEqual([
      ['refused', 'no route: upstream as recorded', 'no route: 404 GW_ROUTE_NOT_FOUND', 1],
      ['admitted', 'route api: 429 GW_RATE_LIMITED', 'route api: upstream api', 1],
      ['route', 'route older: upstream api', 'route api: upstream api', 1],
    ]);
  });
});

describe('callers', () => {
  const guarded = configOf({ authenticate: ['keys'] });

  it('are believed where the log names them', async () => {
    expect((await replay([line({ consumer: 'ada' })], guarded)).outcomes).toEqual({ forwarded: 1 });
  });

  it('whose credentials were refused are refused again', async () => {
    const refused = { status: 401, code: 'GW_UNAUTHORIZED' };
    expect((await replay([line(refused)], guarded)).outcomes).toEqual({ GW_UNAUTHORIZED: 1 });
  });

  it('that the log does not name are not made up', async () => {
    const result = await replay([line()], guarded, configOf());
    expect(result.outcomes).toEqual({ unknown: 1 });
    expect(kinds(result)).toEqual([
      ['unknown', 'route api: upstream api', 'route api: asks who calls', 1],
    ]);
  });

  it('without credentials are anonymous where the route lets them in', async () => {
    const config = configOf({ authenticate: ['keys'], anonymous: 'allow' });
    expect((await replay([line()], config)).outcomes).toEqual({ forwarded: 1 });
  });
});

describe('a log', () => {
  it('is counted by what its lines are', async () => {
    const lines = ['', '{"msg":"listening"}', 'oops', line({ headers: { host: 'a.example' } })];
    expect(await replay(lines, configOf())).toMatchObject({
      requests: 1,
      otherLines: 2,
      unreadableLines: 1,
      firstUnreadable: 'oops',
      withoutHost: 0,
    });
  });

  it('is judged by host where it has one', async () => {
    const config = configOf({ match: { path: '/*', hosts: ['a.example'] } });
    const lines = [line({ headers: { host: 'a.example' } }), line({ at: 1 })];
    expect(await replay(lines, config)).toMatchObject({
      outcomes: { forwarded: 1, GW_ROUTE_NOT_FOUND: 1 },
      withoutHost: 1,
    });
  });

  it('names no more callers and differences than it may', async () => {
    const rateLimit = { limit: 1, window: '400d', key: 'clientIp' };
    const lines = many(3000, (nth) => ({ at: nth, consumer: `user-${nth}` }));
    const { changes } = await replay(lines, configOf({ rateLimit }), configOf());
    expect(changes).toHaveLength(1);
    expect(changes[0]?.requests).toBe(2999);
    expect(changes[0]?.consumers).toHaveLength(5);
    expect(changes[0]?.consumers[0]).toEqual(['', 1999]);
  });
});
