/** A gateway's own log, replayed under its own configuration, says what has happened. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess, MAIN_FILE } from '../support/gateway-process.js';

const TOKEN = 'a-token-of-the-admin';
const KEY = 'k'.repeat(32);
const KEY_SHA256 = '5e318f8cf9cbe249a30812b8ca132d691ded7a91991413558db5758575f5e01f';
const folder = mkdtempSync(join(tmpdir(), 'sluice-replay-'));
const log = join(folder, 'access.log');
let upstream: FakeUpstream;
let gateway: GatewayProcess;
const statuses = new Map<number, number>();

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  upstream.script = (request, response) => {
    response.statusCode = request.url === '/broken' ? 500 : 200;
    response.end('ok');
  };
  const to = { upstream: 'api' };
  gateway = await GatewayProcess.start({
    listen: { port: 0 },
    admin: { port: 0, token: TOKEN, replay: true },
    workers: 2,
    logging: { format: 'json', accessLog: { headers: ['host'] } },
    authenticators: { keys: { type: 'apiKey', keys: [{ id: 'ada', sha256: KEY_SHA256 }] } },
    upstreams: {
      api: {
        targets: [{ url: upstream.url }],
        retry: { attempts: 0 },
        circuitBreaker: { failureThreshold: 3, openFor: '1h', failureOn: ['5xx'] },
      },
      other: { targets: [{ url: upstream.url }] },
    },
    routes: [
      {
        name: 'few',
        match: { path: '/few' },
        upstream: 'other',
        rateLimit: { limit: 5, window: '1h', key: 'clientIp' },
      },
      { name: 'broken', match: { path: '/broken' }, ...to },
      { name: 'hello', match: { path: '/hello' }, respond: { status: 201 } },
      { name: 'inner', match: { path: '/inner' }, ...to, ipFilter: { allow: ['10.0.0.0/8'] } },
      { name: 'mine', match: { path: '/mine' }, upstream: 'other', authenticate: ['keys'] },
      { name: 'hosted', match: { path: '/hosted', hosts: ['a.example'] }, upstream: 'other' },
    ],
  });
  const ask = async (path: string, headers: Record<string, string> = {}): Promise<void> => {
    const reply = await fetch(`${gateway.url}${path}`, { headers });
    await reply.text();
    statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
  };
  // One after another: what a limit refuses is then the same in the log and in a replay.
  for (let nth = 0; nth < 9; nth += 1) await ask('/few');
  for (let nth = 0; nth < 3; nth += 1) await ask('/broken');
  // The workers tell their failures one after the other.
  await eventually('the breaker is open', async () => {
    const stats = await (await fetch(`${gateway.adminUrl}/stats`)).text();
    return stats.includes('"open"');
  });
  for (let nth = 0; nth < 3; nth += 1) await ask('/broken');
  for (const path of ['/hello', '/inner', '/mine', '/no', '/hosted', '/hello?a=%20b'])
    await ask(path);
  await ask('/mine', { 'x-api-key': KEY });
  await eventually('all are in the log', () => gateway.find('request').length === 22);
  writeFileSync(log, gateway.stdout);
});

afterAll(async () => {
  await gateway?.stop();
  await upstream?.close();
  rmSync(folder, { recursive: true });
});

function replay(...argv: string[]) {
  const run = spawnSync(process.execPath, [MAIN_FILE, 'replay', ...argv], { encoding: 'utf8' });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

it('under the same configuration nothing is different from what has happened', () => {
  const { code, out, err } = replay('-c', gateway.configFile, log, '--json', '--tolerate', '0');
  expect(err).toBe('');
  expect(JSON.parse(out)).toMatchObject({ requests: 22, changed: 0, changes: [] });
  expect(code).toBe(0);
});

it('decides upon each request as the gateway did', () => {
  const { out } = replay('-c', gateway.configFile, log, '--json');
  const { outcomes } = JSON.parse(out) as { outcomes: Record<string, number> };
  expect(outcomes['GW_RATE_LIMITED']).toBe(statuses.get(429));
  expect(outcomes['GW_CIRCUIT_OPEN']).toBe(statuses.get(503));
  expect(outcomes['GW_ADDRESS_DENIED']).toBe(statuses.get(403));
  expect(outcomes['GW_ROUTE_NOT_FOUND']).toBe(statuses.get(404));
  expect(outcomes['GW_UNAUTHORIZED']).toBe(statuses.get(401));
  expect(outcomes['answered']).toBe(statuses.get(201));
});

function withSmallerLimit(): string {
  return JSON.stringify({
    upstreams: { other: { targets: [{ url: upstream.url }] } },
    routes: [
      {
        name: 'few',
        match: { path: '/*' },
        upstream: 'other',
        rateLimit: { limit: 2, window: '1h', key: 'clientIp' },
      },
    ],
  });
}

it('a smaller limit would have refused more', () => {
  const file = join(folder, 'new.json');
  writeFileSync(file, withSmallerLimit());
  const { code, out } = replay('-c', file, '--against', gateway.configFile, log, '--tolerate', '3');
  expect(code).toBe(1);
  expect(out).toContain('route few: upstream other → route few: 429 GW_RATE_LIMITED');
});

describe('the page of a running gateway', () => {
  async function post(body: string, query = '', token = TOKEN) {
    const reply = await fetch(`${gateway.adminUrl}/replay${query}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body,
    });
    return { status: reply.status, found: (await reply.json()) as Record<string, unknown> };
  }

  it('finds the same in what the threads have kept', async () => {
    const { status, found } = await post(readFileSync(gateway.configFile, 'utf8'), '?minutes=60');
    expect([status, found]).toMatchObject([200, { requests: 22, changed: 0, withoutHost: 0 }]);
  });

  it('tells what another configuration would have done', async () => {
    const { found } = await post(withSmallerLimit());
    const kinds = (found['changes'] as { after: string }[]).map(({ after }) => after);
    expect(kinds).toContain('route few: 429 GW_RATE_LIMITED');
  });

  it('gives its records to those who have the token', async () => {
    const read = (token: string) =>
      fetch(`${gateway.adminUrl}/replay`, { headers: { authorization: `Bearer ${token}` } });
    const file = join(folder, 'kept.log');
    writeFileSync(file, await (await read(TOKEN)).text());
    const { out } = replay('-c', gateway.configFile, file, '--json');
    expect(JSON.parse(out)).toMatchObject({ requests: 22, changed: 0 });
    expect((await read('not-the-token-at-all')).status).toBe(401);
    expect((await post('{}', '', 'not-the-token-at-all')).status).toBe(401);
  });

  it('says what is wrong with an order', async () => {
    const route = { name: 'a', match: { path: '/' }, upstream: 'nobody' };
    const upstreams = { api: { targets: [{ url: 'http://127.0.0.1:1' }] } };
    const refused = await post(JSON.stringify({ upstreams, routes: [route] }));
    expect(refused.status).toBe(422);
    expect((refused.found['reasons'] as string[]).join()).toContain('nobody');
    expect((await post('')).status).toBe(400);
    expect((await post('{}', '?minutes=0')).status).toBe(400);
    expect((await post('#'.repeat(600 * 1024))).status).toBe(413);
  });

  it('runs one at a time', async () => {
    const text = readFileSync(gateway.configFile, 'utf8');
    const replies = await Promise.all([post(text), post(text), post(text)]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 429, 429]);
    expect((await post(text)).status).toBe(200);
  });
});
