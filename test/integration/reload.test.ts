/**
 * Another configuration while the gateway runs: what changes, what does not, and who hears of it.
 */
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aConfig, JWT_SECRET } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const TOKEN = 'a-token-for-tests-of-the-admin-listener';
const OTHER_TOKEN = 'another-token-for-tests';

let upstream: FakeUpstream;
let other: FakeUpstream;
let gateway: GatewayProcess;
/** Requests that the upstream holds until they are let go. */
const held: (() => void)[] = [];

beforeAll(async () => {
  upstream = await FakeUpstream.start((incoming, response) => {
    if (incoming.url === '/bad') response.statusCode = 500;
    if (incoming.url === '/held') held.push(() => response.end('late'));
    else response.end('one');
  });
  other = await FakeUpstream.start((_, response) => response.end('other'));
  gateway = await GatewayProcess.start(withAdmin({}), { TEST_SECRET: JWT_SECRET });
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
  await other.close();
});

/** The usual configuration, with these parts of it replaced. */
function withAdmin(parts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    ...aConfig([upstream.url], { upstream: { retry: { attempts: 0 } } }),
    admin: { port: 0, token: TOKEN },
    workers: 2,
    reload: { watch: false },
    ...parts,
  };
}

async function apply(parts: Readonly<Record<string, unknown>>): Promise<void> {
  gateway.rewrite(withAdmin(parts));
  const { status, body } = await gateway.post('/reload', TOKEN);
  expect(body.reasons ?? []).toEqual([]);
  expect(status).toBe(200);
}

interface ConfigurationStats {
  readonly epoch: number;
  readonly epochs_in_use: readonly number[];
  readonly refused_reloads: number;
  readonly last_reload: {
    readonly trigger: string;
    readonly outcome: string;
    readonly reasons: readonly string[];
  };
}

async function configuration(): Promise<ConfigurationStats> {
  return (await gateway.stats())['configuration'] as ConfigurationStats;
}

async function get(path: string): Promise<string> {
  const reply = await fetch(gateway.url + path);
  return `${reply.status} ${await reply.text()}`.slice(0, 20);
}

async function statusOf(path: string, headers: Record<string, string> = {}): Promise<number> {
  return (await fetch(gateway.url + path, { headers })).status;
}

const LIMITED = (limit: number, extra: Readonly<Record<string, unknown>> = {}) => ({
  routes: [
    {
      name: 'limited',
      match: { path: '/limited' },
      upstream: 'api',
      rateLimit: { limit, window: '1h', key: 'header:x-client' },
    },
    { name: 'all', match: { path: '/*' }, upstream: 'api', ...extra },
  ],
});

describe('a reload', () => {
  beforeEach(() => apply({}));

  it('changes routes and targets for the requests that follow', async () => {
    expect(await get('/x')).toBe('200 one');
    gateway.rewrite(
      withAdmin({
        upstreams: { api: { targets: [{ url: other.url }] } },
        routes: [{ name: 'only', match: { path: '/only' }, upstream: 'api' }],
      }),
    );
    const { status, body } = await gateway.post('/reload', TOKEN);
    expect(status).toBe(200);
    expect(body.changes).toEqual([
      '- routes.all',
      '+ routes.only',
      `~ upstreams.api: targets[0].url: ${upstream.url} -> ${other.url}, retry: {"attempts":0} -> (none)`,
    ]);
    expect(body.epoch).toBe((await configuration()).epoch);
    expect(await get('/only')).toBe('200 other');
    expect(await statusOf('/x')).toBe(404);
  });

  it('lets requests in flight finish under the configuration that they began under', async () => {
    const before = (await configuration()).epoch;
    const late = get('/held');
    await eventually('the target has it', () => held.length === 1);
    await apply({
      upstreams: { elsewhere: { targets: [{ url: other.url }] } },
      routes: [{ name: 'other', match: { path: '/x' }, upstream: 'elsewhere' }],
    });
    expect(await statusOf('/held')).toBe(404);
    const during = await configuration();
    expect(during.epoch).toBe(before + 1);
    expect(during.epochs_in_use).toContain(before);
    held.pop()?.();
    expect(await late).toBe('200 late');
    await eventually('the old version is let go', async () => {
      return (await configuration()).epochs_in_use.length === 1;
    });
  });

  it('keeps what clients have used of a limit that stays, and begins anew with one that changes', async () => {
    await apply(LIMITED(3));
    const client = { 'x-client': 'a' };
    expect(await statusOf('/limited', client)).toBe(200);
    expect(await statusOf('/limited', client)).toBe(200);
    await apply(LIMITED(3, { timeout: '9s' }));
    expect(await statusOf('/limited', client)).toBe(200);
    expect(await statusOf('/limited', client)).toBe(429);
    await apply({ ...LIMITED(3), upstreams: { api: { targets: [{ url: other.url }] } } });
    expect(await statusOf('/limited', client)).toBe(429);
    await apply(LIMITED(4));
    expect(await statusOf('/limited', client)).toBe(200);
  });

  it('keeps an open breaker open while its target stays, whatever else changes', async () => {
    const circuitBreaker = { failureThreshold: 2, failureOn: ['5xx'], openFor: '10m' };
    const broken = { targets: [{ url: upstream.url }], circuitBreaker };
    const route = { name: 'all', match: { path: '/*' }, upstream: 'broken' };
    await apply({ upstreams: { broken }, routes: [route] });
    for (let count = 0; count < 2; count += 1) expect(await statusOf('/bad')).toBe(500);
    await eventually('it is open', async () => (await statusOf('/x')) === 503);
    const first = { name: 'first', match: { path: '/first' }, upstream: 'new' };
    await apply({
      upstreams: { new: { targets: [{ url: other.url }] }, broken },
      routes: [first, { ...route, timeout: '3s' }],
    });
    expect(await get('/first')).toBe('200 other');
    expect(await statusOf('/x')).toBe(503);
    const two = { targets: [{ url: other.url }, { url: upstream.url }], circuitBreaker };
    await apply({ upstreams: { broken: two }, routes: [route] });
    for (let count = 0; count < 4; count += 1) expect(await get('/x')).toBe('200 other');
  });

  it('counts on what it has counted of routes and targets that stay', async () => {
    const requests = async () => {
      const { routes, targets } = (await gateway.stats()) as {
        routes: Record<string, { requests: number }>;
        targets: { target: string; requests: number }[];
      };
      return [routes['all']?.requests, targets[0]?.requests];
    };
    await get('/x');
    const before = await requests();
    await apply({
      routes: [
        { name: 'first', match: { path: '/first' }, upstream: 'api' },
        { name: 'all', match: { path: '/*' }, upstream: 'api' },
      ],
    });
    expect(await requests()).toEqual(before);
    await get('/x');
    expect(await requests()).toEqual(before.map((count) => Number(count) + 1));
  });

  it('takes sizes, proxies and the admin token over as well', async () => {
    const big = { method: 'POST', body: 'x'.repeat(2000) };
    expect((await fetch(gateway.url, big)).status).toBe(200);
    await apply({ limits: { bodyBytes: '1KiB' } });
    expect((await fetch(gateway.url, big)).status).toBe(413);
    gateway.rewrite({
      ...withAdmin({}),
      admin: { port: 0, token: OTHER_TOKEN },
    });
    expect((await gateway.post('/reload', TOKEN)).status).toBe(200);
    expect((await gateway.post('/reload', TOKEN)).status).toBe(401);
    gateway.rewrite(withAdmin({}));
    expect((await gateway.post('/reload', OTHER_TOKEN)).status).toBe(200);
  });
});

describe('a configuration that cannot be used', () => {
  beforeEach(() => apply({}));

  it.each([
    ['{"routes": [', ['sluice.json:1:']],
    [{ routes: [{ name: 'all', match: { path: '/*' }, upstream: 'nowhere' }] }, ['nowhere']],
    [{ listen: { host: '192.0.2.1', port: 1 } }, ['cannot listen on 192.0.2.1:1']],
    [{ admin: { port: 1 } }, ['admin.port: 0 -> 1 takes a restart']],
    [{ workers: 3 }, ['workers: 2 -> 3 takes a restart']],
    [
      { limits: { trackedClients: 2048, inFlight: 5 } },
      ['limits.trackedClients: 262144 -> 2048', 'limits.inFlight: 10000 -> 5'],
    ],
  ] as const)('changes nothing and says why: %j', async (bad, words) => {
    const { epoch, refused_reloads: refusals } = await configuration();
    gateway.rewrite(typeof bad === 'string' ? bad : withAdmin(bad));
    const { status, body } = await gateway.post('/reload', TOKEN);
    expect(status).toBe(409);
    for (const word of words) expect(body.reasons?.join('\n')).toContain(word);
    const after = await configuration();
    expect(after.epoch).toBe(epoch);
    expect(after.refused_reloads).toBe(refusals + 1);
    expect(after.last_reload).toMatchObject({ outcome: 'refused', reasons: body.reasons });
    expect(await get('/x')).toBe('200 one');
    await eventually('the log has it', () =>
      gateway
        .find('configuration refused, the old one stays in force')
        .some((record) => JSON.stringify(record['reasons']) === JSON.stringify(body.reasons)),
    );
  });
});

it('is told by metrics: how many were refused, and whether the last one was', async () => {
  const metrics = async (): Promise<string> => (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const { refused_reloads: refusals } = await configuration();
  gateway.rewrite('{');
  expect((await gateway.post('/reload', TOKEN)).status).toBe(409);
  const refused = await metrics();
  expect(refused).toContain('\ngateway_config_last_reload_successful 0\n');
  expect(refused).toContain(`\ngateway_config_reloads_total{outcome="refused"} ${refusals + 1}\n`);
  await apply({});
  expect(await metrics()).toContain('\ngateway_config_last_reload_successful 1\n');
});

describe('many who ask at once', () => {
  it('share what is waiting: each is answered, and the threads are asked a few times', async () => {
    await apply({});
    const { epoch } = await configuration();
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => gateway.post('/reload', TOKEN)),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    const after = (await configuration()).epoch;
    expect(Math.max(...replies.map(({ body }) => body.epoch ?? 0))).toBe(after);
    expect(after).toBeGreaterThan(epoch);
    expect(after - epoch).toBeLessThan(50);
    expect(await get('/x')).toBe('200 one');
  });

  it('is not closed to others while a change is waiting for a slow one', async () => {
    gateway.rewrite(withAdmin({ trustedProxies: ['10.0.0.0/8'] }));
    const all = [gateway.post('/reload', TOKEN), gateway.post('/rollback', TOKEN), get('/x')];
    const [reload, rollback, reply] = await Promise.all(all);
    expect([reload, rollback]).toMatchObject([{ status: 200 }, { status: 200 }]);
    expect(reply).toBe('200 one');
  });
});

describe('what starts a reload', () => {
  it('is SIGHUP', async () => {
    await apply({});
    const { epoch } = await configuration();
    gateway.child.kill('SIGHUP');
    await eventually('it is in force', async () => (await configuration()).epoch === epoch + 1);
    expect((await configuration()).last_reload).toMatchObject({ trigger: 'signal' });
  });

  it('is a change of the file, where it is watched', async () => {
    await apply({ reload: { watch: true } });
    const { epoch } = await configuration();
    gateway.rewrite(withAdmin({ reload: { watch: true }, trustedProxies: ['10.0.0.0/8'] }));
    await eventually('it is in force', async () => (await configuration()).epoch === epoch + 1);
    expect((await configuration()).last_reload).toMatchObject({ trigger: 'file' });
    gateway.rewrite('not: [yaml');
    await eventually('it is refused', async () => {
      return (await configuration()).last_reload.outcome === 'refused';
    });
    expect((await configuration()).epoch).toBe(epoch + 1);
  });

  it('needs the token, and a method that changes something', async () => {
    const { epoch } = await configuration();
    expect((await gateway.post('/reload', 'wrong')).status).toBe(401);
    expect((await gateway.post('/rollback', '')).status).toBe(401);
    expect((await fetch(`${gateway.adminUrl}/reload`)).status).toBe(405);
    expect((await configuration()).epoch).toBe(epoch);
  });
});

describe('a rollback', () => {
  it('goes back one version after the other, and says when there is none', async () => {
    const routeTo = (path: string) => ({
      routes: [{ name: 'r', match: { path }, upstream: 'api' }],
    });
    // As many as are kept: versions of the tests before, with other tokens, are out of reach.
    for (let count = 0; count < 10; count += 1) await apply(routeTo(`/earlier/${count}`));
    await apply(routeTo('/a'));
    await apply(routeTo('/b'));
    await apply(routeTo('/c'));
    expect(await statusOf('/c')).toBe(200);
    expect((await gateway.post('/rollback', TOKEN)).status).toBe(200);
    expect(await statusOf('/c')).toBe(404);
    expect(await statusOf('/b')).toBe(200);
    expect((await gateway.post('/rollback', TOKEN)).status).toBe(200);
    expect(await statusOf('/a')).toBe(200);
    let last = await gateway.post('/rollback', TOKEN);
    for (let count = 0; count < 20 && last.status === 200; count += 1) {
      last = await gateway.post('/rollback', TOKEN);
    }
    expect(last.status).toBe(409);
    expect(last.body.reasons).toEqual(['there is no earlier configuration to go back to']);
  });
});

describe('GET /config', () => {
  it('shows what was written, and no secret', async () => {
    const users = { type: 'jwt', algorithms: ['HS256'], secret: `$${'{TEST_SECRET}'}` };
    const rewrite = { headers: { set: { 'x-key': 'hidden value' } } };
    await apply({
      authenticators: { users },
      routes: [
        { name: 'r', match: { path: '/x' }, upstream: 'api', authenticate: ['users'], rewrite },
      ],
    });
    const reply = await fetch(`${gateway.adminUrl}/config`);
    const text = await reply.text();
    for (const secret of [JWT_SECRET, TOKEN, 'hidden value']) expect(text).not.toContain(secret);
    const shown = JSON.parse(text) as { config: Record<string, unknown> };
    expect(shown.config).toMatchObject({
      admin: { token: '***' },
      authenticators: { users: { ...users, secret: '***' } },
      routes: [{ name: 'r', rewrite: { headers: { set: { 'x-key': '***' } } } }],
      workers: 2,
    });
  });
});

describe('a connection', () => {
  it('is not closed by a reload', async () => {
    const socketOf = () =>
      new Promise<number>((resolve, reject) => {
        const sent = request(gateway.url, { agent }, (reply) => {
          const { localPort } = reply.socket;
          reply.resume().on('end', () => resolve(localPort ?? 0));
        });
        sent.on('error', reject);
        sent.end();
      });
    const { Agent } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await apply({});
    const before = await socketOf();
    for (let count = 0; count < 5; count += 1) {
      await apply({ trustedProxies: count % 2 === 0 ? [] : ['10.0.0.1'] });
      expect(await socketOf()).toBe(before);
    }
    agent.destroy();
  });
});
