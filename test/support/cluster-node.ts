/**
 * One gateway of several, as far as limits in a store go: a real coordinator and a real agent of the
 * store's thread, on one thread of the test. Every decision is noted with its time.
 */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/base/clock.js';
import { VERDICT_ADMITTED } from '../../src/channel/coordinator/coordinator-records.js';
import { addCost, createTellCosts } from '../../src/channel/coordinator/tell-costs.js';
import {
  allocateStoreMemory,
  StoreAnswerer,
  StoreAsker,
} from '../../src/channel/store/store-channel.js';
import type { StoreReport } from '../../src/channel/store/store-messages.js';
import type { StoreCounts } from '../../src/channel/store/store-status.js';
import type { CompiledLimiter } from '../../src/config/compiled-config.js';
import type { CompiledStore } from '../../src/config/store-settings.js';
import { ClusterLimits } from '../../src/coordinator/cluster-limits.js';
import { createClient, type StoreClient } from '../../src/store/redis-client.js';
import { StoreAgent } from '../../src/store/store-agent.js';
import {
  aCoordinatorConfig,
  anAsk,
  CoordinatorRig,
  type Reply,
  ReplyKeeper,
} from './coordinator-rig.js';
import { eventually } from './eventually.js';

const SENT_PER_TURN_MAX = 10;
/** A node of which more are waited for gets none: a busy machine is not overrun. */
const WAITING_MAX = 500;

/** A limit as a test wants it. */
export type LimitWish = Partial<CompiledLimiter> & {
  readonly onStoreLost?: 'share' | 'closed' | 'open' | 'wait';
};

export interface NodeWish {
  readonly port: number;
  readonly limits: readonly LimitWish[];
  readonly store?: Partial<CompiledStore>;
}

/** One request and what became of it. */
export interface Decision {
  readonly limit: number;
  readonly isAdmitted: boolean;
  readonly atMs: number;
  readonly waitedMs: number;
  readonly reply: Reply;
}

export function aStore(port: number, wish: Partial<CompiledStore> = {}): CompiledStore {
  return {
    addresses: [{ host: '127.0.0.1', port }],
    kind: 'single',
    sentinel: null,
    database: 0,
    username: '',
    password: '',
    secret: '',
    tls: null,
    prefix: 'sluice:',
    // Long: a machine that is busy is no store that is slow.
    timeoutMs: 1000,
    nodes: 1,
    ...wish,
  };
}

/** A limit over all gateways. */
export function aClusterLimiter({ onStoreLost = 'share', ...wish }: LimitWish, at: number) {
  // As spread as real ones, of which not all bits are looked at.
  const digest = [at + 1, wish.limit, wish.windowMs].map((part) =>
    Math.imul(Number(part ?? 0), 0x9e3779b1),
  );
  return { ...wish, cluster: { digest, onStoreLost } };
}

export class ClusterNode {
  readonly decisions: Decision[] = [];
  readonly reports: StoreReport[] = [];
  readonly rig: CoordinatorRig;
  readonly cluster: ClusterLimits;
  readonly client: StoreClient;
  private readonly agent: StoreAgent;
  private readonly asker: StoreAsker;
  private readonly ticker: { cancel(): void };
  private readonly asked = new Map<number, { limit: number; atMs: number }>();
  private askId = 0;

  private constructor({ port, limits, store: wish }: NodeWish) {
    const store = aStore(port, wish);
    const config = aCoordinatorConfig({ limiters: limits.map(aClusterLimiter) });
    const status = new SharedArrayBuffer(4096);
    const memory = allocateStoreMemory(status);
    this.asker = new StoreAsker(memory);
    const { timeoutMs, nodes: nodesMin } = store;
    const { unixMs } = systemClock;
    this.cluster = new ClusterLimits({ store: this.asker, timeoutMs, nodesMin, unixMs });
    this.rig = new CoordinatorRig(config, this.cluster);
    this.client = createClient(store);
    this.agent = new StoreAgent({
      ...{ config: store, client: this.client, clock: systemClock },
      answerer: new StoreAnswerer(memory),
      nodeId: randomBytes(6).toString('hex'),
      report: (report) => this.reports.push(report),
    });
    this.asker.setWakePort({ postMessage: () => void setImmediate(() => this.agent.onWake()) });
    this.ticker = systemClock.every(50, () => this.agent.onTick());
  }

  /** Resolves when the store can be used. */
  static async start(wish: NodeWish): Promise<ClusterNode> {
    const node = new ClusterNode(wish);
    await eventually('the store is found', () => node.isUp);
    return node;
  }

  /** Does not wait for the store. */
  static create(wish: NodeWish): ClusterNode {
    return new ClusterNode(wish);
  }

  get isUp(): boolean {
    return this.asker.isUp;
  }

  get counts(): StoreCounts {
    return this.asker.status.readCounts();
  }

  /** Decides upon a request, at once or in a later {@link turn}. Several limits: one ask. */
  request(limits: number | readonly number[] = 0, key = 1): void {
    const all = typeof limits === 'number' ? [limits] : limits;
    this.askId += 1;
    const atMs = systemClock.nowMs();
    this.asked.set(this.askId, { limit: all[0] ?? 0, atMs });
    const wish = { askId: this.askId, limits: all.map((limit) => [limit, key, key] as const) };
    const worker = this.rig.worker(0);
    if (!worker.ask(anAsk({ upstreamIndex: -1, ...wish }))) throw new Error('no room to ask');
    worker.flush();
    this.turn();
  }

  /** A duty cycle of the coordinator. */
  turn(): void {
    const atMs = systemClock.nowMs();
    this.rig.step(atMs);
    const keeper = new ReplyKeeper();
    this.rig.worker(0).drainReplies(keeper);
    for (const reply of keeper.replies) {
      const asked = this.asked.get(reply.askId);
      if (asked === undefined) continue;
      this.asked.delete(reply.askId);
      const isAdmitted = reply.verdict === VERDICT_ADMITTED;
      const { limit } = asked;
      this.decisions.push({ limit, isAdmitted, atMs, waitedMs: atMs - asked.atMs, reply });
    }
  }

  /** A request with this ticket has ended. `cost`: what it has cost by the limit 0. */
  end(ticket: number, cost = 0): void {
    const worker = this.rig.worker(0);
    const costs = createTellCosts();
    addCost(costs, 0, cost);
    worker.tellInFlightEnd(ticket, costs);
    worker.flush();
    this.turn();
  }

  get waiting(): number {
    return this.asked.size;
  }

  /** One request, up to its decision. */
  async decide(limits: number | readonly number[] = 0, key = 1): Promise<Decision> {
    const before = this.decisions.length;
    this.request(limits, key);
    await turnUntil([this], () => this.decisions.length > before);
    const decision = this.decisions[before];
    if (decision === undefined) throw new Error('no decision');
    return decision;
  }

  async stop(): Promise<void> {
    this.ticker.cancel();
    await this.agent.stop();
  }
}

/** Lets the nodes work until this is so. */
export async function turnUntil(
  nodes: readonly ClusterNode[],
  isDone: () => boolean,
): Promise<void> {
  const endMs = systemClock.nowMs() + 20_000;
  while (!isDone()) {
    if (systemClock.nowMs() > endMs) throw new Error('waited for too long');
    await new Promise((resolve) => setImmediate(resolve));
    for (const node of nodes) node.turn();
  }
}

/** Lets the nodes work for some time. */
export async function turnFor(nodes: readonly ClusterNode[], ms: number): Promise<void> {
  const endMs = systemClock.nowMs() + ms;
  await turnUntil(nodes, () => systemClock.nowMs() >= endMs);
}

/** Requests by turns at all nodes, and of each limit by turns. */
export async function load(
  nodes: readonly ClusterNode[],
  { perSecond, ms, limits = 1 }: { perSecond: number; ms: number; limits?: number },
): Promise<void> {
  const startMs = systemClock.nowMs();
  let sent = 0;
  await turnUntil(nodes, () => {
    const passedMs = systemClock.nowMs() - startMs;
    const due = Math.min(passedMs, ms) * (perSecond / 1000);
    // A few in each turn: the connections to the store are served in between.
    const last = Math.min(due, sent + SENT_PER_TURN_MAX);
    for (; sent < last; sent += 1) {
      const limit = Math.floor(sent / nodes.length) % limits;
      const node = nodes[sent % nodes.length];
      if (node !== undefined && node.waiting < WAITING_MAX) node.request(limit);
    }
    return passedMs >= ms;
  });
  await turnUntil(nodes, () => nodes.every(({ waiting }) => waiting === 0));
}

/** Times of all admissions by one limit, in order. */
export function admissions(nodes: readonly ClusterNode[], limit = 0): number[] {
  return nodes
    .flatMap(({ decisions }) => decisions)
    .filter((one) => one.isAdmitted && one.limit === limit)
    .map(({ atMs }) => atMs)
    .sort((a, b) => a - b);
}

/** The most within any time of this length. */
export function mostWithin(times: readonly number[], windowMs: number): number {
  let most = 0;
  let first = 0;
  times.forEach((atMs, last) => {
    while (atMs - (times[first] ?? atMs) >= windowMs) first += 1;
    most = Math.max(most, last - first + 1);
  });
  return most;
}

/** The fullest that a bucket gets which these fill and which loses `perMs` all the time. */
export function fullestBucket(times: readonly number[], perMs: number): number {
  let level = 0;
  let fullest = 0;
  let beforeMs = times[0] ?? 0;
  for (const atMs of times) {
    level = Math.max(0, level - (atMs - beforeMs) * perMs) + 1;
    fullest = Math.max(fullest, level);
    beforeMs = atMs;
  }
  return fullest;
}
