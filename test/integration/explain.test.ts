/**
 * `sluice explain --admin` against a gateway that runs: it says what then happens, and its asking
 * changes nothing.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Explanation } from '../../src/explain/explanation.js';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess, MAIN_FILE } from '../support/gateway-process.js';

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
  gateway = await GatewayProcess.start({ workers: 2, ...config });
});

afterAll(async () => {
  await gateway.kill();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
});

function send(user: string, path = '/'): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { headers: { 'x-user': user } });
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
