/**
 * What a limit over several gateways costs: `npm run bench:cluster [-- RATE [SECONDS]]`.
 *
 * One gateway and a Redis, and requests at a constant rate to three routes by turns: with a limit
 * of the gateway's own; with one over all gateways, of which it gets admissions in advance; and
 * with one so small that every request is one question to the store, as gateways do it that run a
 * script for each request. Prints latencies, CPU of both processes, and questions per request.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ChildProcesses, type RunningChild, waitUntil } from '../support/child-processes.js';
import { findFreePort, findProgram, projectRoot } from '../support/environment.js';
import { readTreeCpu } from '../support/process-cpu.js';
import { median } from '../support/statistics.js';
import { HOST } from './contender.js';
import { OPEN_LOOP_RESULT, type OpenLoopResult } from './open-loop-client.js';

const RATE = Number(process.argv[2] ?? 1500);
const SECONDS = Number(process.argv[3] ?? 3);
const ROUNDS = 5;
const WARMUP_SECONDS = 1;
const CONNECTIONS = 32;
const DEADLINE_MS = 30_000;
const TRIPS = 'gateway_store_events_total{kind="trips"}';
const CLIENT = fileURLToPath(new URL('./open-loop-client.js', import.meta.url));

/** Below 200 admissions a limit gives none in advance. */
const SMALL_LIMIT = 199;
const LIMITS = {
  local: { limit: 1_000_000, window: '1s' },
  advance: { limit: 1_000_000, window: '1s', scope: 'cluster' },
  each: { limit: SMALL_LIMIT, window: '100ms', scope: 'cluster' },
} as const;
type RouteName = keyof typeof LIMITS;
const NAMES = Object.keys(LIMITS) as RouteName[];

interface Round {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly gatewayUs: number;
  readonly storeUs: number;
  readonly trips: number;
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-cluster-'));
const children = new ChildProcesses();

async function startRedis(): Promise<{ port: number; child: RunningChild }> {
  const program = findProgram('redis-server');
  if (program === '') throw new Error('redis-server is not installed');
  const port = await findFreePort();
  const own = ['--bind', HOST, '--port', String(port), '--dir', folder];
  const command = [program, ...own, '--save', '', '--appendonly', 'no'];
  return { port, child: children.start('redis', command) };
}

async function startGateway(origin: number, redis: number) {
  const [port, adminPort] = [await findFreePort(), await findFreePort()];
  const file = join(folder, 'sluice.json');
  const config = {
    listen: { port },
    admin: { port: adminPort },
    workers: 1,
    logging: { accessLog: false },
    store: { type: 'redis', url: `redis://${HOST}:${redis}` },
    upstreams: { a: { targets: [{ url: `http://${HOST}:${origin}` }] } },
    routes: NAMES.map((name) => ({
      name,
      match: { path: `/${name}` },
      upstream: 'a',
      rateLimit: { ...LIMITS[name], key: 'route' },
    })),
  };
  writeFileSync(file, JSON.stringify(config));
  const entry = join(projectRoot(), 'dist', 'src', 'main.js');
  const child = children.start('sluice', [process.execPath, entry, 'run', '-c', file]);
  const metrics = `http://${HOST}:${adminPort}/metrics`;
  const isUp = (): Promise<boolean> => read(metrics, 'gateway_store_up').then((up) => up === 1);
  await waitUntil('sluice', DEADLINE_MS, () => isUp().catch(() => false), child);
  return { port, child, metrics };
}

async function read(metrics: string, name: string): Promise<number> {
  const lines = (await (await fetch(metrics)).text()).split('\n');
  return Number(
    lines
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')
      .at(-1),
  );
}

function cpuUs({ pid }: RunningChild): number {
  return readTreeCpu(pid).reduce((sum, { totalUs }) => sum + totalUs, 0);
}

async function load(port: number, name: RouteName): Promise<OpenLoopResult> {
  const figures = [port, `/${name}`, RATE, SECONDS, WARMUP_SECONDS, CONNECTIONS].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, [CLIENT, ...figures]);
  const line = stdout.split('\n').find((one) => one.startsWith(OPEN_LOOP_RESULT)) ?? '';
  return JSON.parse(line.slice(OPEN_LOOP_RESULT.length)) as OpenLoopResult;
}

async function run(origin: number): Promise<void> {
  const redis = await startRedis();
  const gateway = await startGateway(origin, redis.port);
  const rounds: Record<RouteName, Round[]> = { local: [], advance: [], each: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of NAMES) {
      const before = [cpuUs(gateway.child), cpuUs(redis.child)] as const;
      const tripsBefore = await read(gateway.metrics, TRIPS);
      const { latencyUs, errors } = await load(gateway.port, name);
      const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
      if (failed > 0) console.log(`${name}: ${failed} failed: ${JSON.stringify(errors)}`);
      // The warm-up is a part of what was paid for.
      const requests = RATE * (SECONDS + WARMUP_SECONDS);
      const trips = (await read(gateway.metrics, TRIPS)) - tripsBefore;
      rounds[name].push({
        p50Us: latencyUs.p50,
        p99Us: latencyUs.p99,
        gatewayUs: (cpuUs(gateway.child) - before[0]) / requests,
        storeUs: (cpuUs(redis.child) - before[1]) / requests,
        trips: trips / requests,
      });
    }
  }
  console.log(`| ${'limit'.padEnd(8)} | p50 µs | p99 µs | gateway CPU µs | store CPU µs | trips |`);
  for (const name of NAMES) {
    const of = (key: keyof Round, digits: number): string =>
      median(rounds[name].map((one) => one[key])).toFixed(digits);
    const cells = [of('p50Us', 0), of('p99Us', 0), of('gatewayUs', 1), of('storeUs', 1)];
    console.log(`| ${name.padEnd(8)} | ${[...cells, of('trips', 3)].join(' | ')} |`);
  }
}

const server = createServer((_, response) => response.end('ok'));
server.keepAliveTimeout = 0;
await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
try {
  console.log(
    `${RATE} requests a second, ${ROUNDS} rounds of ${SECONDS} s, Node ${process.version}`,
  );
  await run((server.address() as AddressInfo).port);
} finally {
  await children.stopAll();
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
}
