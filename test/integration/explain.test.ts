/**
 * `sluice explain --admin` against a gateway that runs: it says what then happens, and its asking
 * changes nothing.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.js';
import type { Explanation } from '../../src/explain/explanation.js';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess, MAIN_FILE } from '../support/gateway-process.js';
import { capturedIo } from '../unit/cli/captured-io.js';

const SECRET = 'what-only-the-target-is-to-see';

let upstreams: FakeUpstream[];
let gateway: GatewayProcess;

beforeAll(async () => {
  upstreams = [await FakeUpstream.start(), await FakeUpstream.start()];
  const config = aConfig(
    upstreams.map(({ url }) => url),
    {
      upstream: { circuitBreaker: { failureThreshold: 2 }, retry: { attempts: 0 } },
      route: {
        rewrite: { query: { set: { key: SECRET, by: '${clientIp}' } } },
        rateLimit: [
          { limit: 3, window: '1h', key: 'header:x-user' },
          { maxInFlight: 2, name: 'parallel', key: 'header:x-user' },
        ],
      },
    },
  );
  const stored = {
    name: 'stored',
    match: { path: '/stored/*' },
    upstream: 'api',
    rewrite: { query: { set: { key: SECRET } } },
    cache: { clientMayBypass: true },
  };
  const { routes } = config as { routes: object[] };
  gateway = await GatewayProcess.start({ workers: 2, ...config, routes: [...routes, stored] });
});

afterAll(async () => {
  await gateway.kill();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
});

function send(user: string, path = '/'): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { headers: { 'x-user': user } });
}

async function explainStored(
  path: string,
  fields: readonly (readonly [string, string])[] = [],
): Promise<Explanation> {
  const { host } = new URL(gateway.url);
  const reply = await fetch(`${gateway.adminUrl}/explain`, {
    method: 'POST',
    body: JSON.stringify({
      ...{ method: 'GET', target: path, from: '127.0.0.1', consumer: null, repeat: 1 },
      fields: [['host', host], ...fields],
    }),
  });
  expect(reply.status).toBe(200);
  return (await reply.json()) as Explanation;
}

async function explain(user: string, repeat = 1): Promise<Explanation> {
  const reply = await fetch(`${gateway.adminUrl}/explain`, {
    method: 'POST',
    body: JSON.stringify({
      method: 'GET',
      target: '/',
      from: '127.0.0.1',
      consumer: null,
      repeat,
      fields: [
        ['host', 'localhost'],
        ['x-user', user],
      ],
    }),
  });
  expect(reply.status).toBe(200);
  return (await reply.json()) as Explanation;
}

describe('an explanation by a gateway that runs', () => {
  it('tells no value that the configuration writes into the query, and sends nothing', async () => {
    const explained = await explain('eve');
    expect(explained.outcome).toMatchObject({ upstreamTarget: '/?key=[redacted]&by=127.0.0.1' });
    expect(JSON.stringify(explained)).not.toContain(SECRET);
    expect(upstreams.map(({ headCount }) => headCount)).toEqual([0, 0]);
    await send('eve');
    expect(upstreams.flatMap(({ received }) => received.map(({ url }) => url))).toEqual([
      `/?key=${SECRET}&by=127.0.0.1`,
    ]);
  });

  it('knows what a key has left, and takes nothing of it', async () => {
    const left = async () => (await explain('ann')).limits[0]?.remaining;
    expect(await left()).toBe(3);
    await send('ann');
    await eventually('it is counted', async () => (await left()) === 2);
    await send('ann');
    for (let count = 0; count < 5; count++) expect(await left()).toBe(1);
    expect((await explain('ann')).outcome.kind).toBe('forwarded');
    expect((await explain('ann', 2)).outcome).toMatchObject({ code: 'GW_RATE_LIMITED' });
    expect((await send('ann')).status).toBe(200);
    expect((await explain('ann')).outcome).toMatchObject({ status: 429, part: 'rateLimit' });
    expect((await send('ann')).status).toBe(429);
    expect((await explain('bob')).limits[0]?.remaining).toBe(3);
  });

  it('counts requests in flight', async () => {
    const [upstream, other] = upstreams;
    const answers: (() => void)[] = [];
    for (const one of [upstream, other]) {
      if (one !== undefined) one.script = (_, response) => answers.push(() => response.end());
    }
    const held = [send('carl'), send('carl')];
    await eventually('both are there', () => answers.length === 2);
    const { limits, outcome, isLive } = await explain('carl');
    expect(isLive).toBe(true);
    expect(limits).toMatchObject([{ remaining: 1 }, { limit: 'parallel', remaining: 0 }]);
    expect(outcome).toMatchObject({ status: 429 });
    for (const answer of answers) answer();
    await Promise.all(held);
    await eventually('they have ended', async () => {
      return (await explain('carl')).limits[1]?.remaining === 2;
    });
  });

  it('says which target is next, which breaker is open, and why', async () => {
    const [upstream, other] = upstreams;
    for (const one of [upstream, other]) {
      if (one !== undefined) one.script = (request, response) => one.echo(request, response);
    }
    await upstream?.close();
    for (let count = 0; count < 8; count++) await send(`user-${count}`);
    const gone = `127.0.0.1:${upstream?.port}`;
    await eventually('its breaker is open', async () => {
      const { targets } = await explain('dora');
      return targets.some((one) => one.target === gone && one.circuitBreaker === 'OPEN');
    });
    const { targets, outcome } = await explain('dora');
    expect(targets).toMatchObject([
      { target: gone, state: 'open', why: 'consecutiveFailures', isPicked: false },
      { target: `127.0.0.1:${other?.port}`, state: 'available', isPicked: true },
    ]);
    expect(Date.parse(targets[0]?.until ?? '')).toBeGreaterThan(Date.now());
    expect(outcome).toMatchObject({ kind: 'forwarded', target: `127.0.0.1:${other?.port}` });
  });

  it('is what the command prints', () => {
    const admin = gateway.adminUrl;
    const command = [MAIN_FILE, 'explain', 'GET', '/x', '-H', 'X-User: ann', '--admin', admin];
    const { stdout, stderr, status } = spawnSync(process.execPath, command, { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toContain('with configuration 1 of the gateway that runs');
    expect(stdout).toContain('is answered with 429 GW_RATE_LIMITED (rateLimit)');
    expect(stdout).toMatch(/! {2}all +3 per 3600s, slidingWindow +by header:x-user=ann +0 left/);
  });

  it('goes with the status of the gateway', async () => {
    const io = capturedIo();
    const argv = ['status', '--admin', gateway.adminUrl];
    expect(await runCommandLine(argv, io, async () => 1)).toBe(0);
    expect(io.out()).toMatch(/^ready: sluice \d.*, pid \d+\nconfiguration {2}.*, version 1, /);
    expect(io.out()).toMatch(/\nrefusals {7}.*GW_RATE_LIMITED \d/);
    expect(io.out()).toMatch(/\ntargets {8}\d of \d have requests\ntroubles/);
  });

  it.each([
    ['', 'send a JSON object'],
    ['{', 'send a JSON object'],
    ['{"method":1}', 'method must be'],
    ['{"method":"GET","target":"/","from":"x"}', 'from must be an IP address'],
    [
      '{"method":"GET","target":"/","from":"::1","consumer":null,"repeat":1e9,"fields":[]}',
      'repeat must be',
    ],
    [
      '{"method":"GET","target":"/","from":"::1","consumer":null,"fields":[["a"]]}',
      'fields must be',
    ],
  ])('is refused for %j', async (body, detail) => {
    const reply = await fetch(`${gateway.adminUrl}/explain`, { method: 'POST', body });
    expect(reply.status).toBe(400);
    expect(((await reply.json()) as { detail: string }).detail).toContain(detail);
  });
});

describe('an explanation of the cache', () => {
  it('says what is stored in the workers, and leaves it as it is', async () => {
    for (const upstream of upstreams) {
      upstream.script = (request, response) => {
        request.resume();
        response.writeHead(200, { 'cache-control': 'max-age=60', etag: '"a"' });
        response.end('stored');
      };
    }
    const before = await explainStored('/stored/1?a=b');
    expect(before.cache).toMatchObject({ result: 'miss', freshSeconds: null });
    expect(before.outcome).toMatchObject({
      kind: 'forwarded',
      target: expect.stringMatching(/^127/),
    });
    await (await fetch(`${gateway.url}/stored/1?a=b`)).text();
    const found = await explainStored('/stored/1?a=b');
    const { host } = new URL(gateway.url);
    expect(found.cache?.result).toBe('hit');
    expect(found.cache?.key[0]).toBe(`http://${host}/stored/1?a=b`);
    expect(JSON.stringify(found)).not.toContain(SECRET);
    expect(found.cache?.freshSeconds).toBeGreaterThan(50);
    expect(found.cache?.why).toMatch(/^fresh for 5\d s more$|^fresh for 60 s more$/);
    expect(found.outcome).toMatchObject({ kind: 'answered', status: 200 });
    const steps = found.steps.map(({ step, result }) => `${step} ${result}`);
    expect(steps).toContain('cache answers');
    expect(steps).toContain('forward notReached');
    const asked = await explainStored('/stored/1?a=b', [['if-none-match', '"a"']]);
    expect(asked.outcome).toMatchObject({ kind: 'answered', status: 304 });
    const wanted = await explainStored('/stored/1?a=b', [['cache-control', 'no-cache']]);
    expect(wanted.cache).toMatchObject({ result: 'validate' });
    expect(wanted.cache?.why).toContain('the target is asked whether it is still good');
    const only = await explainStored('/stored/2', [['cache-control', 'only-if-cached']]);
    expect(only.outcome).toMatchObject({ kind: 'refused', code: 'GW_NOT_CACHED', status: 504 });
    const stats = await gateway.stats();
    expect(stats['cache']).toMatchObject({ hits: 0, misses: 1, stored: 1, entries: 1 });
  });

  it('says that another request fetches the reply', async () => {
    let letGo = (): void => {};
    for (const upstream of upstreams) {
      upstream.script = (request, response) => {
        request.resume();
        letGo = () => response.end('late');
      };
    }
    const pending = fetch(`${gateway.url}/stored/slow`);
    await eventually(
      'it is being fetched',
      async () =>
        (await explainStored('/stored/slow')).cache?.why.startsWith('another request') === true,
    );
    letGo();
    expect(await (await pending).text()).toBe('late');
  });
});
