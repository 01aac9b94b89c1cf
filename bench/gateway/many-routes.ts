/**
 * What a large configuration costs: `npm run bench:routes [-- ROUTES]`, ten thousand by default.
 *
 * Prints CPU and time of `validate` and of a start, then of three reloads with the latencies that
 * clients see meanwhile, and the memory at the end. CPU seconds are steadier than times: on a busy
 * machine go by them. The load is sixteen connections that ask for random routes, with a pause of a
 * millisecond behind each reply, so that the loader has to share the processor but need not fight.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChildProcesses, type RunningChild, waitUntil } from '../support/child-processes.js';
import { findFreePort, projectRoot } from '../support/environment.js';
import { LatencyHistogram } from '../support/latency-histogram.js';
import { readTreeCpu } from '../support/process-cpu.js';
import { HOST } from './contender.js';
import { ORIGIN_READY } from './origin.js';

const ROUTES = Number(process.argv[2] ?? 10_000);
const CONNECTIONS = 16;
const RELOADS = 3;
const PAUSE_MS = 1;
const SETTLE_MS = 3000;
const DEADLINE_MS = 60_000;
const SLOW_US = 100_000;

/** Has a process say at its end how much CPU it took. */
const TELL_CPU = `data:text/javascript,${encodeURIComponent(
  "process.on('exit', () => { const { user, system } = process.cpuUsage(); console.error(`CPU ${user + system}`); });",
)}`;

const ENTRY = join(projectRoot(), 'dist', 'src', 'main.js');
const folder = mkdtempSync(join(tmpdir(), 'sluice-routes-'));
const file = join(folder, 'sluice.yaml');
const children = new ChildProcesses();

interface Ports {
  readonly port: number;
  readonly adminPort: number;
  readonly origin: number;
}

/** Every second route has one field more, whose value says which version it is. */
function configText({ port, adminPort, origin }: Ports, tag: string): string {
  const routes = Array.from({ length: ROUTES }, (_, at) => {
    const rewrite = at % 2 === 0 ? '' : `, rewrite: { headers: { set: { x-tag: ${tag} } } }`;
    const limit = 'rateLimit: { limit: 1000000, window: 60s, key: clientIp }';
    const match = `match: { path: ${pathOf(at)}/:id, methods: [GET] }`;
    return `  - { name: r${at}, ${match}, upstream: a, ${limit}${rewrite} }`;
  });
  return [
    `listen: { port: ${port} }`,
    `admin: { port: ${adminPort} }`,
    'workers: 1',
    'logging: { accessLog: false }',
    'limits: { trackedClients: 65536 }',
    `upstreams: { a: { targets: [{ url: "http://${HOST}:${origin}" }] } }`,
    'routes:',
    ...routes,
    '',
  ].join('\n');
}

function pathOf(at: number): string {
  return `/api/v${at % 50}/res${at}`;
}

const seconds = (us: number): string => `${(us / 1e6).toFixed(2)} s`;
const milliseconds = (us: number): string => (us / 1000).toFixed(1);

function cpuOf(child: RunningChild): number {
  return readTreeCpu(child.pid).reduce((sum, { totalUs }) => sum + totalUs, 0);
}

/** Asks for random routes until it is stopped; what is not 200 counts as failed. */
class Load {
  histogram = new LatencyHistogram();
  slow = 0;
  /** What was not 200, by status; 0: the connection failed. */
  failures = new Map<number, number>();
  private isStopped = false;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  private readonly loops: readonly Promise<void>[];

  constructor(private readonly port: number) {
    this.loops = Array.from({ length: CONNECTIONS }, () => this.go());
  }

  forget(): void {
    this.histogram = new LatencyHistogram();
    this.slow = 0;
    this.failures.clear();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.loops);
    this.agent.destroy();
  }

  toString(): string {
    const { histogram, slow } = this;
    const failed = [...this.failures].map(([status, count]) => `${count} × ${status}`);
    const [p50, p99] = [50, 99].map((part) => milliseconds(histogram.percentile(part)));
    const max = milliseconds(histogram.max);
    return `${histogram.count} requests: p50 ${p50}, p99 ${p99}, max ${max} ms; above 100 ms: ${slow}; failed: ${failed.join(', ') || 'none'}`;
  }

  private async go(): Promise<void> {
    while (!this.isStopped) {
      const began = performance.now();
      const status = await this.ask(Math.floor(Math.random() * ROUTES));
      const us = (performance.now() - began) * 1000;
      this.histogram.record(us);
      if (us > SLOW_US) this.slow += 1;
      if (status !== 200) this.failures.set(status, (this.failures.get(status) ?? 0) + 1);
      await sleep(PAUSE_MS);
    }
  }

  private ask(at: number): Promise<number> {
    const { port, agent } = this;
    return new Promise((resolve) => {
      get({ host: HOST, port, path: `${pathOf(at)}/7`, agent }, (reply) => {
        reply.resume().once('end', () => resolve(reply.statusCode ?? 0));
      }).once('error', () => resolve(0));
    });
  }
}

async function epochOf(adminPort: number): Promise<number> {
  const reply = await fetch(`http://${HOST}:${adminPort}/stats`);
  return ((await reply.json()) as { readonly config_epoch: number }).config_epoch;
}

async function measureReloads(gateway: RunningChild, ports: Ports): Promise<void> {
  const load = new Load(ports.port);
  await sleep(SETTLE_MS);
  load.forget();
  const [restCpu, restMs] = [cpuOf(gateway), performance.now()];
  await sleep(SETTLE_MS);
  const cpuPerMs = (cpuOf(gateway) - restCpu) / (performance.now() - restMs);
  console.log(`before      ${load}`);
  for (let count = 1; count <= RELOADS; count += 1) {
    load.forget();
    const [cpu, began, epoch] = [cpuOf(gateway), performance.now(), await epochOf(ports.adminPort)];
    writeFileSync(file, configText(ports, `v${count}`));
    process.kill(gateway.pid, 'SIGHUP');
    const isNew = async () => (await epochOf(ports.adminPort)) > epoch;
    await waitUntil('the reload', DEADLINE_MS, isNew, gateway);
    const tookMs = performance.now() - began;
    // What follows is part of it: the loader's memory is given back, routes are made anew.
    await sleep(SETTLE_MS / 2);
    const extra = cpuOf(gateway) - cpu - cpuPerMs * (performance.now() - began);
    console.log(
      `reload ${count}    ${seconds(tookMs * 1000)}, CPU beyond serving ${seconds(extra)}; ${load}`,
    );
  }
  await load.stop();
}

async function run(): Promise<void> {
  const origin = children.start('origin', [
    process.execPath,
    join(projectRoot(), 'dist/bench/gateway/origin.js'),
  ]);
  await waitUntil(
    'the origin',
    DEADLINE_MS,
    async () => origin.output.includes(ORIGIN_READY),
    origin,
  );
  const originPort = Number(new RegExp(`${ORIGIN_READY}(\\d+)`).exec(origin.output)?.[1]);
  const [port, adminPort] = [await findFreePort(), await findFreePort()];
  const ports: Ports = { port, adminPort, origin: originPort };
  writeFileSync(file, configText(ports, 'v0'));

  const began = performance.now();
  const validate = [process.execPath, '--import', TELL_CPU, ENTRY, 'validate', '-c', file];
  const output = await children.run('validate', validate, DEADLINE_MS);
  const cpuUs = Number(/CPU (\d+)/.exec(output)?.[1]);
  console.log(`validate    ${seconds((performance.now() - began) * 1000)}, CPU ${seconds(cpuUs)}`);

  const started = performance.now();
  const gateway = children.start('sluice', [process.execPath, ENTRY, 'run', '-c', file], {
    outputPath: '/dev/null',
  });
  const answers = async (): Promise<boolean> => {
    const reply = await fetch(`http://${HOST}:${port}${pathOf(1)}/7`).catch(() => null);
    return reply?.status === 200;
  };
  await waitUntil('the gateway', DEADLINE_MS, answers, gateway);
  const tookUs = (performance.now() - started) * 1000;
  console.log(`start       ${seconds(tookUs)}, CPU ${seconds(cpuOf(gateway))}`);
  await measureReloads(gateway, ports);
  const stats = await (await fetch(`http://${HOST}:${adminPort}/stats`)).json();
  const { process: of } = stats as { readonly process: { readonly resident_bytes: number } };
  console.log(`resident    ${Math.round(of.resident_bytes / 2 ** 20)} MiB`);
}

try {
  console.log(`${ROUTES} routes, one worker, Node ${process.version}`);
  await run();
} finally {
  await children.stopAll();
  rmSync(folder, { recursive: true, force: true });
}
