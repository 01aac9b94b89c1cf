/**
 * A coordinator and its workers' ends in one thread, stepped by hand over real rings.
 *
 * `aCoordinatorConfig` fills in what a test is not about; `CoordinatorRig` can end its
 * coordinator and start another one on the same memory, as the supervisor does.
 */

import {
  CoordinatorWorkerEnd,
  type ReplyHandler,
} from '../../src/channel/coordinator/coordinator-channel.js';
import { CoordinatorControl } from '../../src/channel/coordinator/coordinator-control.js';
import { CoordinatorEnd } from '../../src/channel/coordinator/coordinator-end.js';
import {
  type CoordinatorMemory,
  laneMemoryOf,
} from '../../src/channel/coordinator/coordinator-memory.js';
import {
  type AskFields,
  addLimit,
  createAskFields,
  type ReplyView,
} from '../../src/channel/coordinator/coordinator-records.js';
import { CoordinatorStatus } from '../../src/channel/coordinator/coordinator-status.js';
import { TargetStateView } from '../../src/channel/coordinator/target-states.js';
import type {
  CompiledConfig,
  CompiledLimiter,
  CompiledUpstream,
} from '../../src/config/compiled-config.js';
import type { CompiledRollout } from '../../src/config/compiled-split.js';
import { ClusterLimits } from '../../src/coordinator/cluster-limits.js';
import { Coordinator, type Deferral } from '../../src/coordinator/coordinator.js';
import { allocateCoordinatorMemory } from '../../src/coordinator/coordinator-setup.js';
import type { OutsideLimits } from '../../src/coordinator/deferred-asks.js';
import type {
  BreakerTransition,
  HealthTransition,
} from '../../src/coordinator/state/target-events.js';
import { A_LISTENER } from './listener-settings.js';
import { machineOf } from './machine.js';
import { servedOf } from './served-config.js';

export interface CoordinatorConfigWish {
  readonly workers?: number;
  readonly trackedClients?: number;
  readonly limiters?: readonly Partial<CompiledLimiter>[];
  /** Targets of each upstream. */
  readonly targetCounts?: readonly number[];
  readonly circuitBreaker?: Partial<CompiledUpstream['circuitBreaker']>;
  readonly loadBalancing?: Partial<CompiledUpstream['loadBalancing']>;
  readonly healthCheck?: CompiledUpstream['healthCheck'];
  readonly outlierDetection?: CompiledUpstream['outlierDetection'];
  /** By target index. */
  readonly weights?: readonly number[];
  readonly backups?: readonly number[];
  readonly rollouts?: readonly CompiledRollout[];
  /** Who is in their rows is said in the memory. */
  readonly hasSlots?: boolean;
}

export const BREAKER: CompiledUpstream['circuitBreaker'] = {
  failureThreshold: 3,
  failureRate: null,
  failureOn: {
    connectFailure: true,
    timeout: true,
    reset: true,
    status5xx: true,
    statuses: [],
  },
  openForMs: 1000,
  openForMaxMs: 1000,
  halfOpenRequests: 1,
  rampUpMs: 0,
};

const BALANCING: CompiledUpstream['loadBalancing'] = {
  policy: 'roundRobin',
  choices: 2,
  hashOn: { kind: 'clientIp' },
  slowStartMs: 0,
  panicThreshold: 50,
  stickyCookie: null,
};

/** Rows of the tables that rigs are built on. */
const ALL_RECORDS = {
  ...{ samplePercent: 100, statuses: [], slowerThanMs: -1 },
  ...{ headers: [], secretHeaders: [], redactQuery: [], showsBodies: false },
};
const CAPACITY = { routes: 64, upstreams: 64, targets: 64, limiters: 256, rollouts: 8 };

export function aLimiter(wish: Partial<CompiledLimiter>, index: number): CompiledLimiter {
  const limit = wish.limit ?? 10;
  return {
    index,
    keySpace: index,
    name: `limiter-${index}`,
    algorithm: 'slidingWindow',
    limit,
    windowMs: 60_000,
    burst: limit,
    cost: 1,
    keys: [{ kind: 'clientIp' }],
    mode: 'enforce',
    ...wish,
  };
}

export function aCoordinatorConfig(wish: CoordinatorConfigWish = {}): CompiledConfig {
  const targetCounts = wish.targetCounts ?? [2];
  const targets = targetCounts.flatMap((count, upstreamIndex) =>
    Array.from({ length: count }, () => upstreamIndex),
  );
  return {
    epoch: 1,
    spiffe: null,
    capacity: CAPACITY,
    rollouts: wish.rollouts ?? [],
    listeners: [A_LISTENER],
    admin: { host: '127.0.0.1', port: 0, token: '', allowedHosts: [], replayBytes: 0 },
    stateDir: '',
    machine: machineOf(2),
    acceptors: 1,
    cacheBytes: 4 * 2 ** 20,
    workers: wish.workers ?? 1,
    trustedProxies: [],
    clientAddressField: '',
    hardening: { pathParameters: '', overrideHeaders: 'remove' },
    paths: { encodedSlash: '', merge: false },
    acceptsRequestIdOf: 'anyone',
    via: { inRequests: false, inReplies: false },
    filters: {},
    cors: null,
    errors: { texts: [], rules: [] },
    documents: [],
    versioning: null,
    limits: {
      headerBytes: 16_384,
      headerFields: 90,
      bodyBytes: 1 << 20,
      trackedClients: wish.trackedClients ?? 1024,
      keySecret: '',
      inFlight: 10_000,
      compressions: 128,
      connections: 8192,
      connectionsPerAddress: 1024,
      countsLoopback: false,
      bodyRate: 240,
      lingerBytes: 0,
      bodyOnGet: true,
      passes: 2,
      laneDepth: 2048,
      queueMs: 1000,
      workerHeapBytes: 0,
      youngGenerationMb: 96,
      laneRingBytes: 1 << 22,
    },
    logging: { level: 'info', format: 'json', accessLog: null, keptRecords: ALL_RECORDS },
    tracing: null,
    reload: { watch: false, canary: null },
    shutdown: { graceMs: 1000, delayMs: 0 },
    authenticators: [],
    tokenService: null,
    keys: null,
    plugins: [],
    store: null,
    kubernetes: null,
    upstreams: targetCounts.map((_, index) => ({
      index,
      name: `upstream-${index}`,
      targetIndexes: targets.flatMap((upstream, target) => (upstream === index ? [target] : [])),
      loadBalancing: { ...BALANCING, ...wish.loadBalancing },
      circuitBreaker: { ...BREAKER, ...wish.circuitBreaker },
      healthCheck: wish.healthCheck ?? null,
      outlierDetection: wish.outlierDetection ?? null,
      timeouts: { connectMs: 1000, responseMs: 1000, idleMs: 1000, perTryMs: 1000 },
      retry: {
        attempts: 0,
        conditions: {
          connectFailure: false,
          reset: false,
          timeout: false,
          statuses: [],
          grpcStatuses: [],
        },
        budgetPercent: 20,
        minConcurrency: 3,
        backOff: { baseMs: 25, maxMs: 250 },
      },
      tls: [],
      replyHeadBytes: 16_384,
      protocol: 'http1' as const,
      http2: { streamsMax: 100, connectionsMax: 16, pingMs: 0, pongMs: 10_000 },
      resolve: null,
      discovery: null,
      adaptiveConcurrency: null,
      hedgeAfterMs: -1,
    })),
    targets: targets.map((upstreamIndex, index) => ({
      index,
      upstreamIndex,
      origin: `http://127.0.0.1:${9000 + index}`,
      hostPort: `127.0.0.1:${9000 + index}`,
      authority: `127.0.0.1:${9000 + index}`,
      keepsHost: true,
      tls: false,
      serverName: '127.0.0.1',
      tlsPlace: -1,
      weight: wish.weights?.[index] ?? 1,
      isBackup: wish.backups?.includes(index) ?? false,
      isSlot: wish.hasSlots ?? false,
    })),
    limiters: (wish.limiters ?? []).map(aLimiter),
    routes: [],
  };
}

/** An ask in short: at most one limit, and the rest as it is written. */
export interface AskWish extends Partial<Omit<AskFields, 'limitCount' | 'limits'>> {
  readonly limiterIndex?: number;
  readonly keyHashHigh?: number;
  readonly keyHashLow?: number;
  /** Several limits, in place of the one: limiter index, key hash high and low. */
  readonly limits?: readonly (readonly [number, number, number])[];
}

export function anAsk(wish: AskWish = {}): AskFields {
  const { limiterIndex = -1, keyHashHigh = 1, keyHashLow = 2, limits, ...fields } = wish;
  const one = [limiterIndex, keyHashHigh, keyHashLow] as const;
  const ask = { ...createAskFields(), ...fields };
  for (const limit of limits ?? (limiterIndex < 0 ? [] : [one])) addLimit(ask, ...limit);
  return ask;
}

/** A reply, copied out of its slot. */
export interface Reply {
  readonly askId: number;
  readonly verdict: number;
  readonly targetIndex: number;
  readonly ticket: number;
  readonly remaining: number;
  readonly resetMs: number;
  readonly retryAfterMs: number;
  readonly upstreamIndex: number;
  readonly askFlags: number;
  readonly grantCount: number;
  readonly standing: number;
  readonly grantPositions: readonly number[];
  readonly limiterIndex: number;
  readonly keyGrantCount: number;
  readonly keyGrantUntil: number;
  readonly refusedUntil: number;
  readonly inFlightTicket: number;
  readonly shadowRefused: number;
}

export function copyReply(view: ReplyView): Reply {
  return {
    askId: view.askId,
    verdict: view.verdict,
    targetIndex: view.targetIndex,
    ticket: view.ticket,
    remaining: view.remaining,
    resetMs: view.resetMs,
    retryAfterMs: view.retryAfterMs,
    upstreamIndex: view.upstreamIndex,
    askFlags: view.askFlags,
    grantCount: view.grantCount,
    standing: view.standing,
    limiterIndex: view.limiterIndex,
    keyGrantCount: view.keyGrantCount,
    keyGrantUntil: view.keyGrantUntil,
    refusedUntil: view.refusedUntil,
    inFlightTicket: view.inFlightTicket,
    shadowRefused: view.shadowRefused,
    grantPositions: Array.from({ length: view.grantCount }, (_, turn) =>
      view.grantPositionAt(turn),
    ),
  };
}

/** Keeps copies of all replies; knows every ask unless told otherwise. */
export class ReplyKeeper implements ReplyHandler {
  readonly replies: Reply[] = [];
  isKnown: (askId: number) => boolean = () => true;

  onReply(view: ReplyView): boolean {
    if (!this.isKnown(view.askId)) return false;
    this.replies.push(copyReply(view));
    return true;
  }
}

export class CoordinatorRig {
  readonly memory: CoordinatorMemory;
  readonly control: CoordinatorControl;
  readonly targets: TargetStateView;
  readonly status: CoordinatorStatus;
  readonly transitions: BreakerTransition[] = [];
  readonly healthChanges: HealthTransition[] = [];
  readonly workers: CoordinatorWorkerEnd[];
  mails = 0;
  stops = 0;
  end: CoordinatorEnd;
  coordinator: Coordinator;
  private askIds = 0;

  /** `outside`: lets some asks be answered later. */
  constructor(
    public config: CompiledConfig,
    private outside: OutsideLimits | null = null,
  ) {
    this.memory = allocateCoordinatorMemory(config);
    this.control = new CoordinatorControl(this.memory);
    this.targets = new TargetStateView(this.memory.targets);
    this.status = new CoordinatorStatus(this.memory.status);
    this.end = new CoordinatorEnd(this.memory);
    this.coordinator = this.newCoordinator();
    this.workers = this.memory.lanes.map((_, lane) => this.newWorker(lane));
  }

  newWorker(lane: number): CoordinatorWorkerEnd {
    return new CoordinatorWorkerEnd(laneMemoryOf(this.memory, lane));
  }

  /** Another coordinator goes on where the memory says that the last one was. */
  restartCoordinator(outside = this.outside): void {
    this.outside = outside;
    this.end = new CoordinatorEnd(this.memory);
    this.coordinator = this.newCoordinator();
  }

  /** The coordinator goes on under another configuration; one that is started again as well. */
  reload(config: CompiledConfig): void {
    this.config = config;
    this.coordinator.adopt(servedOf(config));
  }

  step(nowMs: number): number {
    this.coordinator.onTick(nowMs);
    return this.end.drain(this.coordinator, nowMs);
  }

  worker(lane: number): CoordinatorWorkerEnd {
    const worker = this.workers[lane];
    if (worker === undefined) throw new Error(`no worker ${lane}`);
    return worker;
  }

  /** One ask, all the way there and back. */
  ask(nowMs: number, wish: AskWish = {}, lane = 0): Reply {
    const [reply] = this.askMany(nowMs, [wish], lane);
    if (reply === undefined) throw new Error('no reply');
    return reply;
  }

  askMany(nowMs: number, wishes: readonly AskWish[], lane = 0): readonly Reply[] {
    const worker = this.worker(lane);
    for (const wish of wishes) {
      this.askIds += 1;
      if (!worker.ask(anAsk({ askId: this.askIds, ...wish }))) throw new Error('no room to ask');
    }
    worker.flush();
    this.step(nowMs);
    const keeper = new ReplyKeeper();
    worker.drainReplies(keeper);
    return keeper.replies;
  }

  tell(nowMs: number, tell: [target: number, ticket: number, outcome: number], lane = 0): void {
    const [targetIndex, ticket, outcome] = tell;
    this.worker(lane).tellOutcome(targetIndex, ticket, outcome, 0);
    this.worker(lane).flush();
    this.step(nowMs);
  }

  private newCoordinator(): Coordinator {
    const { outside } = this;
    const replies: Deferral['replies'] = {
      canReplyLate: (lane, ask) => this.end.canReplyLate(lane, ask),
      replyLate: (lane, ask, reply) => this.end.replyLate(lane, ask, reply),
    };
    return new Coordinator(servedOf(this.config), this.memory, {
      ...(outside !== null && { deferral: { outside, replies } }),
      ...(outside instanceof ClusterLimits && { cluster: outside }),
      onBreakerTransition: (change) => this.transitions.push(change),
      onHealthTransition: (change) => this.healthChanges.push(change),
      onMail: () => {
        this.mails += 1;
      },
      onStop: () => {
        this.stops += 1;
      },
    });
  }
}
