/**
 * The retry loop against a coordinator and targets that do whatever they like, in any order, on a
 * clock that the test moves.
 */
import { expect } from 'vitest';
import { defined } from '../../src/base/assert.js';
import { NO_FIELDS } from '../../src/base/field-block.js';
import { HalfSipHash } from '../../src/base/half-sip-hash.js';
import { PROBLEMS, type ProblemKind } from '../../src/base/problems.js';
import type { CoordinatorWorkerEnd } from '../../src/channel/coordinator/coordinator-channel.js';
import {
  type ReplyView,
  VERDICT_ADMITTED,
} from '../../src/channel/coordinator/coordinator-records.js';
import { allocateLane, LaneEnd } from '../../src/channel/lane.js';
import { FLAG_END, RESPONSE_END, RESPONSE_HEAD } from '../../src/channel/records/record-kind.js';
import type {
  CompiledConfig,
  CompiledRoute,
  CompiledUpstream,
} from '../../src/config/compiled-config.js';
import { CoordinatorClient } from '../../src/worker/admission/coordinator-client.js';
import { TargetGrants } from '../../src/worker/admission/target-grants.js';
import { TargetPreference } from '../../src/worker/admission/target-preference.js';
import type { ReplyCache } from '../../src/worker/cache/reply-cache.js';
import { NO_ASK } from '../../src/worker/exchange/admission-state.js';
import { DeadlineWheel } from '../../src/worker/exchange/deadline-wheel.js';
import { type Exchange, routeOf } from '../../src/worker/exchange/exchange.js';
import { LaneWriter } from '../../src/worker/reply/lane-writer.js';
import { ReplyPath } from '../../src/worker/reply/reply-path.js';
import type { WorkerRoute } from '../../src/worker/route/worker-route.js';
import type { ExchangeMetrics } from '../../src/worker/telemetry/exchange-metrics.js';
import { RetryLoop } from '../../src/worker/tries/retry-loop.js';
import { RetryPlanner } from '../../src/worker/tries/retry-planner.js';
import { Forwarder } from '../../src/worker/upstream/forwarder.js';
import type {
  TransportHandler,
  UpstreamRequest,
} from '../../src/worker/upstream/upstream-transport.js';
import { aCoordinatorConfig } from './coordinator-rig.js';
import { anEmptyCache } from './empty-cache.js';
import { makeExchange } from './make-exchange.js';
import { noSlots } from './no-slots.js';

export const TARGET_COUNT = 3;
/** Targets of the fallback, whose rows follow. */
export const OTHER_COUNT = 2;
export const ATTEMPTS = 2;

function aConfig({ hedgeAfterMs, protocol = 'http1' }: Options): CompiledConfig {
  const config = aCoordinatorConfig({ targetCounts: [TARGET_COUNT, OTHER_COUNT] });
  const conditions = {
    connectFailure: true,
    reset: true,
    timeout: true,
    statuses: [503],
    grpcStatuses: [],
  };
  const upstreams = config.upstreams.map((upstream) => {
    const retry = { ...upstream.retry, attempts: ATTEMPTS, conditions, minConcurrency: 100 };
    return { ...upstream, retry, hedgeAfterMs, protocol };
  });
  return { ...config, upstreams };
}

/** One request at a target: a transport keeps to an order in what it says of it. */
interface Air {
  readonly request: UpstreamRequest;
  readonly handler: TransportHandler;
  isConnected: boolean;
  hasHead: boolean;
  isOver: boolean;
}

export interface Options {
  readonly method: string;
  readonly hedgeAfterMs: number;
  readonly routeTimeoutMs: number;
  /** Whether the second upstream gets what the first has failed at. */
  readonly hasFallback?: boolean;
  /** Default: 0. */
  readonly bodyBytes?: number;
  /** Default: true. */
  readonly isComplete?: boolean;
  /** Of targets; over h2c the beginning of a body is kept. Default: http1. */
  readonly protocol?: CompiledUpstream['protocol'];
}

/** The tries with everything around them but the ends: coordinator, targets and client are played. */
export class Rig {
  nowMs = 1000;
  readonly wheel = new DeadlineWheel(this.nowMs);
  readonly air: Air[] = [];
  /** Tickets that the coordinator has given out, and those that have come back. */
  admitted = 0;
  readonly settled: number[] = [];
  /** What came of those, in turn. */
  readonly outcomes: number[] = [];
  /** Targets that were taken without the coordinator, whose tickets are 0. */
  open = 0;
  problem: ProblemKind | null = null;
  isRoomToAsk = true;
  readonly exchange: Exchange;
  readonly loop: RetryLoop;
  readonly replies: ReplyPath;
  readonly cache: ReplyCache;
  private readonly client = CLIENT;
  readonly writer: LaneWriter;
  /** Heads that the client got. */
  heads = 0;
  /** Records that say that a reply is complete. */
  ends = 0;
  private readonly worker = WORKER;
  private readonly coordinator: CoordinatorClient;
  private readonly upstream: CompiledUpstream;
  private readonly other: CompiledUpstream;
  /** Exchanges that count as in flight at an upstream. */
  entered = 1;
  private asked = NO_ASK;

  constructor(options: Options) {
    const config = aConfig(options);
    this.upstream = defined(config.upstreams[0], 'the upstream');
    this.other = defined(config.upstreams[1], 'the other upstream');
    const ledger = new Proxy({}, { get: () => () => {} }) as ExchangeMetrics;
    const nowMs = () => this.nowMs;
    this.coordinator = this.coordinatorClient(config);
    // What the rig before has left there is no business of this one.
    this.worker.publish();
    this.client.drain({ onRecord: () => {} });
    this.writer = new LaneWriter(this.worker, nowMs, () => {});
    this.replies = new ReplyPath({
      writer: this.writer,
      streams: { wheel: this.wheel, ledger, unixMs: () => 0 },
      nowMs,
      onDelivered: () => this.finish(),
      refuse: () => expect.unreachable('no stage refuses'),
      onBroken: (_, error) => expect.unreachable(String(error)),
      onStuck: () => this.fail(PROBLEMS.responseTimeout),
      onStream: () => {},
      onTunnel: () => {},
      onError: () => {},
    });
    this.cache = anEmptyCache(this.replies);
    this.loop = new RetryLoop({
      gate: {
        tryEnter: () => {
          this.entered += 1;
          return true;
        },
        leave: () => {
          this.entered -= 1;
        },
      },
      planner: new RetryPlanner(config, ledger, () => 0.5),
      forwarder: this.forwarder(config),
      replies: this.replies,
      preference: new TargetPreference(config, new HalfSipHash(1, 2), noSlots()),
      coordinator: this.coordinator,
      ledger,
      cache: this.cache,
      wheel: this.wheel,
      nowMs,
      unixMs: () => 0,
      touch: () => {},
      onFailed: (_, problem) => this.fail(problem),
      onAsideDone: () => this.finish(),
      onReply: () => expect.unreachable('no call of gRPC'),
      onError: () => {},
    });
    this.exchange = makeExchange({
      method: options.method,
      bodyBytes: options.bodyBytes ?? 0,
      isComplete: options.isComplete ?? true,
      route: this.routeOf(options),
      epoch: {
        errorPages: null,
        matcher: { match: () => null },
        via: NO_VIA,
        bodyBytesMax: 0,
        exchanges: 1,
      },
      onDeadline: (_, atMs) => this.loop.onDeadline(this.exchange, atMs),
    });
    this.coordinator.askAdmission(this.exchange, routeOf(this.exchange).admission, this.nowMs);
    this.verdict(VERDICT_ADMITTED, 0);
  }

  private routeOf({ routeTimeoutMs, hasFallback = false }: Options): WorkerRoute {
    const first = this.route(routeTimeoutMs, this.upstream, null);
    if (!hasFallback) return first;
    const on = {
      connectFailure: true,
      reset: true,
      timeout: true,
      status5xx: true,
      statuses: [429],
    };
    const route = this.route(routeTimeoutMs, this.other, null);
    return { ...first, fallback: { on, position: 0, name: this.other.name, route } };
  }

  private route(
    timeoutMs: number,
    upstream: CompiledUpstream,
    fallback: WorkerRoute['fallback'],
  ): WorkerRoute {
    const config = { index: 0, timeoutMs, rewrite: { stripPrefix: '' } };
    const admission = {
      limiters: [],
      upstream,
      laterUpstream: null,
      isFirst: false,
      isNeeded: true,
      mayHoldKeyGrants: false,
      mayHoldRefusals: false,
    };
    const route: Partial<WorkerRoute> = {
      config: config as CompiledRoute,
      upstream,
      fallback,
      replyStages: [],
      limiters: [],
      admission,
      targetAdmission: admission,
      droppedFields: new Set(),
      setFields: [],
    };
    return route as WorkerRoute;
  }

  /** The client of the coordinator is the real one: its end of the channel is played. */
  private coordinatorClient(config: CompiledConfig): CoordinatorClient {
    const isFree = () => true;
    const end: Partial<CoordinatorWorkerEnd> = {
      isCoordinatorLost: () => false,
      ask: ({ askId }) => {
        if (!this.isRoomToAsk) return false;
        expect(this.asked, 'one ask at a time').toBe(NO_ASK);
        this.asked = askId;
        return true;
      },
      abandonAsk: () => {
        this.asked = NO_ASK;
      },
      beginGranted: () => {
        this.open += 1;
      },
      tellOutcome: (_, ticket, outcome) => {
        this.settled.push(ticket);
        this.outcomes.push(outcome);
      },
    };
    Object.assign(end, { targets: { isFree }, standings: { serialOf: () => 0 } });
    const hash = new HalfSipHash(1, 2);
    return new CoordinatorClient(
      end as CoordinatorWorkerEnd,
      new TargetGrants(
        [
          [0, 1, 2],
          [3, 4],
        ],
        { isFree },
        { serialOf: () => 0 },
      ),
      hash,
      new TargetPreference(config, hash, noSlots()),
      () => this.nowMs,
      (exchange, reply) => {
        const { sent, sentBefore } = exchange.tries;
        if (sent + sentBefore === 0) this.loop.begin(exchange);
        else this.loop.onVerdict(exchange, reply);
      },
    );
  }

  private forwarder(config: CompiledConfig): Forwarder {
    const connection = () => ({
      served: 0,
      isBusy: true,
      send: (request: UpstreamRequest, handler: TransportHandler) => {
        this.air.push({ request, handler, isConnected: false, hasHead: false, isOver: false });
      },
    });
    const none = { idleCount: 0, release: () => {}, close: async () => {} };
    const connections = { ...none, acquire: connection, acquireFresh: connection };
    const forwarder = new Forwarder({
      lane: this.worker,
      connect: () => connections,
      slots: noSlots(),
      onTarget: () => {},
      nowMs: () => this.nowMs,
      onConnected: () => {},
      giveWindow: () => {},
      wantBody: () => {},
      converse: () => {},
    });
    forwarder.adopt(config);
    return forwarder;
  }

  private fail(problem: ProblemKind): void {
    this.problem = problem;
    // Whatever the client gets now, no verdict may bring another try behind it.
    expect(this.exchange.admission.isAsking, 'an ask behind a failure').toBe(false);
    this.finish();
  }

  /** What the pipeline does at the end of each exchange. */
  finish(): void {
    const { exchange } = this;
    if (exchange.isFinished) return;
    exchange.isFinished = true;
    this.wheel.clear(exchange.deadline);
    this.coordinator.abandon(exchange);
    this.cache.release(exchange);
    this.loop.release(exchange);
    this.replies.release(exchange);
    this.coordinator.giveBack(exchange);
    this.entered -= 1;
  }

  verdict(verdict: number, targetIndex: number): void {
    const { asked } = this;
    if (asked === NO_ASK) return;
    this.asked = NO_ASK;
    if (verdict === VERDICT_ADMITTED) this.admitted += 1;
    const isOther = this.exchange?.route?.upstream === this.other;
    const row = isOther ? TARGET_COUNT + (targetIndex % OTHER_COUNT) : targetIndex;
    const reply = {
      ...NO_GRANTS,
      ...{ askId: asked, verdict, targetIndex: row, ticket: this.admitted },
    };
    expect(this.coordinator.onReply(reply as ReplyView)).toBe(true);
  }

  /** The turn ends: heads that wait go out. */
  endTurn(): void {
    this.writer.flushHeads();
    this.worker.publish();
    this.client.drain({
      onRecord: (kind, flags) => {
        if (kind === RESPONSE_HEAD) this.heads += 1;
        if (kind === RESPONSE_END || (flags & FLAG_END) !== 0) this.ends += 1;
      },
    });
  }

  advance(ms: number): void {
    this.endTurn();
    this.nowMs += ms;
    this.wheel.advance(this.nowMs);
  }
}

/** One lane for all rigs: each would take eight megabytes of shared memory. */
const LANE = allocateLane(1 << 14);
const CLIENT = new LaneEnd(LANE, 'acceptor', { postMessage: () => {} });
const WORKER = new LaneEnd(LANE, 'worker', { postMessage: () => {} });

const NO_VIA = { inRequests: false, inReplies: false };
const NO_GRANTS = { askFlags: 0, limiterIndex: -1, inFlightTicket: 0, refusedUntil: 0 };

export type Step =
  | { readonly what: 'connect' | 'data' | 'end'; readonly which: number }
  | { readonly what: 'head'; readonly which: number; readonly status: number }
  | { readonly what: 'error'; readonly which: number; readonly code: string }
  | { readonly what: 'advance'; readonly ms: number }
  | { readonly what: 'verdict'; readonly verdict: number; readonly target: number }
  | { readonly what: 'room'; readonly isThere: boolean }
  | { readonly what: 'flush' | 'leave' };

export function take(rig: Rig, step: Step): void {
  switch (step.what) {
    case 'advance':
      rig.advance(step.ms);
      return;
    case 'verdict':
      rig.verdict(step.verdict, step.target);
      return;
    case 'room':
      rig.isRoomToAsk = step.isThere;
      return;
    case 'flush':
      rig.endTurn();
      return;
    case 'leave':
      rig.finish();
      return;
    default:
      tell(rig.air[step.which % rig.air.length], step);
  }
}

/** A transport says something of a try, as far as it would say it now. */
function tell(air: Air | undefined, step: Extract<Step, { which: number }>): void {
  if (air === undefined || air.isOver) return;
  const { handler } = air;
  if (step.what === 'error') {
    air.isOver = true;
    handler.onError(Object.assign(new Error('from the test'), { code: step.code }));
  } else if (step.what === 'connect' && !air.isConnected) {
    air.isConnected = true;
    try {
      handler.onConnect(() => {
        air.isOver = true;
      });
    } catch {
      // Not wanted any more.
      air.isOver = true;
    }
  } else if (step.what === 'head' && air.isConnected && !air.hasHead) {
    air.hasHead = true;
    handler.onReplyHead(step.status, { fields: NO_FIELDS, bodyBytes: -1, date: '' }, () => {});
  } else if (step.what === 'data' && air.hasHead) {
    handler.onReplyData(Buffer.from('x'), false);
  } else if (step.what === 'end' && air.hasHead) {
    air.isOver = true;
    handler.onComplete(NO_FIELDS);
  }
}

export function expectAllSettled(rig: Rig): void {
  const zeros = Array.from({ length: rig.open }, () => 0);
  const given = [...zeros, ...Array.from({ length: rig.admitted }, (_, at) => at + 1)];
  expect(rig.settled.toSorted((a, b) => a - b)).toEqual(given);
  expect(rig.wheel.size).toBe(0);
  expect(rig.exchange.admission.isAsking).toBe(false);
  expect(rig.entered, 'upstreams that it counts at').toBe(0);
}
