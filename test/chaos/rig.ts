/** The gateway as its users run it, with an origin and a load beside it, each a process. */
import { GatewayProcess } from '../support/gateway-process.js';
import { LoadProcess } from './load-process.js';
import type { LoadFigures } from './load-tally.js';
import { OriginServer } from './origin-server.js';

export const seconds = (count: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, count * 1000));

export interface Stats {
  readonly in_flight: number;
  readonly moved_requests: number;
  readonly connections: { readonly open: number };
  readonly workers: readonly { readonly served: boolean; readonly in_flight: number }[];
  readonly targets: readonly { readonly in_flight: number }[];
  readonly adaptive_concurrency: readonly { readonly in_flight: number }[];
}

export const LISTEN_HTTP2 = { port: 0, chunkedRequests: 'allow', protocols: ['http1', 'h2c'] };

export class Rig {
  private constructor(
    readonly gateway: GatewayProcess,
    public origin: OriginServer,
  ) {}

  /** `top`: fields of the configuration besides, or in place of its own. */
  static async start(top: Readonly<Record<string, unknown>> = {}): Promise<Rig> {
    const origin = await OriginServer.start();
    const target = {
      targets: [{ url: origin.url }],
      timeouts: { response: '3s' },
      circuitBreaker: { openFor: '500ms' },
    };
    const hanging = {
      targets: [{ url: origin.url }],
      timeouts: { response: '60s' },
      circuitBreaker: { failureThreshold: 1000 },
    };
    const adapted = { ...target, adaptiveConcurrency: {} };
    const gateway = await GatewayProcess.start(
      {
        workers: 2,
        logging: { accessLog: false },
        limits: { workerHeap: '128MiB' },
        // The same origin three times: what it does not answer is not held against the others.
        upstreams: { plain: target, adapted, hanging },
        routes: [
          { name: 'quick', match: { path: '/quick' }, upstream: 'plain' },
          { name: 'work', match: { path: '/work' }, upstream: 'adapted' },
          { name: 'rest', match: { path: '/*' }, upstream: 'hanging' },
        ],
        ...top,
      },
      { GATEWAY_CHAOS: '1' },
    );
    return new Rig(gateway, origin);
  }

  load(rate: number, path = '/quick', connections = 256): LoadProcess {
    const { port } = this.gateway;
    return LoadProcess.start({ port, rate, connections, path, deadlineMs: 1000 });
  }

  /** Over HTTP/2, eight connections. The listener has to take it: see {@link LISTEN_HTTP2}. */
  loadHttp2(rate: number, path = '/quick'): LoadProcess {
    const { port } = this.gateway;
    const plan = { port, rate, path, connections: 8, deadlineMs: 1000 };
    return LoadProcess.start({ ...plan, isHttp2: true });
  }

  stats(): Promise<Stats> {
    return this.gateway.stats<Stats>();
  }

  async inject(path: string): Promise<void> {
    const url = `${this.gateway.adminUrl}/chaos/${path}`;
    const reply = await fetch(url, { method: 'POST' });
    if (reply.status !== 202) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  }

  memoryMb(): number {
    return Math.round(this.gateway.residentBytes() / 2 ** 20);
  }

  /** Everything that could be left behind, by name; nothing when all is well. */
  async leftovers(): Promise<string[]> {
    const untilMs = performance.now() + 15_000;
    for (;;) {
      const left = leftoversOf(await this.stats());
      if (left.length === 0 || performance.now() > untilMs) return left;
      await seconds(0.1);
    }
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.origin.kill();
  }
}

function leftoversOf(stats: Stats): string[] {
  const counts = {
    'requests in flight': stats.in_flight,
    'requests on lanes': sum(stats.workers.map((worker) => worker.in_flight)),
    'tries at targets': sum(stats.targets.map((target) => target.in_flight)),
    'places under adapted limits': sum(stats.adaptive_concurrency.map((row) => row.in_flight)),
    'lanes without a worker': stats.workers.filter((worker) => !worker.served).length,
  };
  return Object.entries(counts)
    .filter(([, count]) => count !== 0)
    .map(([name, count]) => `${count} ${name}`);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** The value that this part, in percent, does not exceed; 0 without values. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}

export function addFigures(into: LoadFigures, more: LoadFigures): void {
  into.sent += more.sent;
  into.good += more.good;
  into.late += more.late;
  into.refused += more.refused;
  into.failed += more.failed;
  into.dropped += more.dropped;
  into.goodMs.push(...more.goodMs);
  into.refusedMs.push(...more.refusedMs);
  for (const [kind, count] of Object.entries(more.kinds)) {
    into.kinds[kind] = (into.kinds[kind] ?? 0) + count;
  }
}
