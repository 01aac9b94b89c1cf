/** A gateway's own log, replayed under its own configuration, says what has happened. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess, MAIN_FILE } from '../support/gateway-process.js';

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
    admin: { port: 0 },
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
  for (let nth = 0; nth < 6; nth += 1) await ask('/broken');
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

it('a smaller limit would have refused more', () => {
  const text = JSON.stringify({
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
  const file = join(folder, 'new.json');
  writeFileSync(file, text);
  const { code, out } = replay('-c', file, '--against', gateway.configFile, log, '--tolerate', '3');
  expect(code).toBe(1);
  expect(out).toContain('route few: upstream other → route few: 429 GW_RATE_LIMITED');
});
