/**
 * The retry loop against a coordinator and targets that do whatever they like, in any order, on a
 * clock that the test moves.
 */

import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { defined } from '../../../../src/base/assert.js';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import { HalfSipHash } from '../../../../src/base/half-sip-hash.js';
import { PROBLEMS, type ProblemKind } from '../../../../src/base/problems.js';
import type { CoordinatorWorkerEnd } from '../../../../src/channel/coordinator/coordinator-channel.js';
import {
  type ReplyView,
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
} from '../../../../src/channel/coordinator/coordinator-records.js';
import { allocateLane, LaneEnd } from '../../../../src/channel/lane.js';
import { RESPONSE_HEAD } from '../../../../src/channel/records/record-kind.js';
import type {
  CompiledConfig,
  CompiledRoute,
  CompiledUpstream,
} from '../../../../src/config/compiled-config.js';
import { CoordinatorClient } from '../../../../src/worker/admission/coordinator-client.js';
import { TargetGrants } from '../../../../src/worker/admission/target-grants.js';
import { TargetPreference } from '../../../../src/worker/admission/target-preference.js';
import { NO_ASK } from '../../../../src/worker/exchange/admission-state.js';
import { DeadlineWheel } from '../../../../src/worker/exchange/deadline-wheel.js';
import { type Exchange, routeOf } from '../../../../src/worker/exchange/exchange.js';
import { LaneWriter } from '../../../../src/worker/reply/lane-writer.js';
import { ReplyPath } from '../../../../src/worker/reply/reply-path.js';
import type { WorkerRoute } from '../../../../src/worker/route/worker-route.js';
import type { ExchangeMetrics } from '../../../../src/worker/telemetry/exchange-metrics.js';
import { RetryLoop } from '../../../../src/worker/tries/retry-loop.js';
import { RetryPlanner } from '../../../../src/worker/tries/retry-planner.js';
import { Forwarder } from '../../../../src/worker/upstream/forwarder.js';
import type {
  TransportHandler,
  UpstreamRequest,
} from '../../../../src/worker/upstream/upstream-transport.js';
import { aCoordinatorConfig } from '../../../support/coordinator-rig.js';
import { anEmptyCache } from '../../../support/empty-cache.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { noSlots } from '../../../support/no-slots.js';

const TARGET_COUNT = 3;
const ATTEMPTS = 2;

function aConfig(hedgeAfterMs: number): CompiledConfig {
  const config = aCoordinatorConfig({ targetCounts: [TARGET_COUNT] });
  const [upstream] = config.upstreams;
  if (upstream === undefined) throw new Error('no upstream');
  const conditions = {
    connectFailure: true,
    reset: true,
    timeout: true,
    statuses: [503],
    grpcStatuses: [],
  };
  const retry = { ...upstream.retry, attempts: ATTEMPTS, conditions, minConcurrency: 100 };
  return { ...config, upstreams: [{ ...upstream, retry, hedgeAfterMs }] };
}

/** One request at a target: a transport keeps to an order in what it says of it. */
interface Air {
  readonly handler: TransportHandler;
  isConnected: boolean;
  hasHead: boolean;
  isOver: boolean;
}

interface Options {
  readonly method: string;
  readonly hedgeAfterMs: number;
  readonly routeTimeoutMs: number;
}

/** The tries with everything around them but the ends: coordinator, targets and client are played. */
class Rig {
  nowMs = 1000;
  readonly wheel = new DeadlineWheel(this.nowMs);
  readonly air: Air[] = [];
  /** Tickets that the coordinator has given out, and those that have come back. */
  admitted = 0;
  readonly settled: number[] = [];
  problem: ProblemKind | null = null;
  isRoomToAsk = true;
  readonly exchange: Exchange;
  readonly loop: RetryLoop;
  readonly replies: ReplyPath;
  private readonly client = CLIENT;
  readonly writer: LaneWriter;
  /** Heads that the client got. */
  heads = 0;
  private readonly worker = WORKER;
  private readonly coordinator: CoordinatorClient;
  private readonly upstream: CompiledUpstream;
  private asked = NO_ASK;

  constructor(options: Options) {
    const config = aConfig(options.hedgeAfterMs);
    this.upstream = defined(config.upstreams[0], 'the upstream');
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
      onTunnel: () => {},
      onError: () => {},
    });
    this.loop = new RetryLoop({
      planner: new RetryPlanner(config, ledger, () => 0.5),
      forwarder: this.forwarder(config),
      replies: this.replies,
      preference: new TargetPreference(config, new HalfSipHash(1, 2), noSlots()),
      coordinator: this.coordinator,
      ledger,
      cache: anEmptyCache(this.replies),
      wheel: this.wheel,
      nowMs,
      unixMs: () => 0,
      touch: () => {},
      onFailed: (_, problem) => this.fail(problem),
      onAsideDone: () => {},
      onReply: () => expect.unreachable('no call of gRPC'),
      onError: () => {},
    });
    this.exchange = makeExchange({
      method: options.method,
      route: this.route(options.routeTimeoutMs),
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

  private route(timeoutMs: number): WorkerRoute {
    const config = { index: 0, timeoutMs, rewrite: { stripPrefix: '' } };
    const route: Partial<WorkerRoute> = {
      config: config as CompiledRoute,
      upstream: this.upstream,
      replyStages: [],
      limiters: [],
      admission: {
        limiters: [],
        upstream: this.upstream,
        laterUpstream: null,
        isFirst: false,
        isNeeded: true,
        mayHoldKeyGrants: false,
        mayHoldRefusals: false,
      },
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
      beginGranted: () => {},
      tellOutcome: (_, ticket) => {
        this.settled.push(ticket);
      },
    };
    Object.assign(end, { targets: { isFree }, standings: { serialOf: () => 0 } });
    const hash = new HalfSipHash(1, 2);
    return new CoordinatorClient(
      end as CoordinatorWorkerEnd,
      new TargetGrants([[0, 1, 2]], { isFree }, { serialOf: () => 0 }),
      hash,
      new TargetPreference(config, hash, noSlots()),
      () => this.nowMs,
      (exchange, reply) => {
        if (exchange.tries.sent === 0) this.loop.begin(exchange);
        else this.loop.onVerdict(exchange, reply);
      },
    );
  }

  private forwarder(config: CompiledConfig): Forwarder {
    const connection = () => ({
      served: 0,
      isBusy: true,
      send: (_: UpstreamRequest, handler: TransportHandler) => {
        this.air.push({ handler, isConnected: false, hasHead: false, isOver: false });
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
    });
    forwarder.adopt(config);
    return forwarder;
  }

  private fail(problem: ProblemKind): void {
    this.problem = problem;
    this.finish();
  }

  /** What the pipeline does at the end of each exchange. */
  finish(): void {
    const { exchange } = this;
    if (exchange.isFinished) return;
    exchange.isFinished = true;
    this.wheel.clear(exchange.deadline);
    this.coordinator.abandon(exchange);
    this.loop.release(exchange);
    this.replies.release(exchange);
    this.coordinator.giveBack(exchange);
  }

  verdict(verdict: number, targetIndex: number): void {
    const { asked } = this;
    if (asked === NO_ASK) return;
    this.asked = NO_ASK;
    if (verdict === VERDICT_ADMITTED) this.admitted += 1;
    const reply = { ...NO_GRANTS, askId: asked, verdict, targetIndex, ticket: this.admitted };
    expect(this.coordinator.onReply(reply as ReplyView)).toBe(true);
  }

  /** The turn ends: heads that wait go out. */
  endTurn(): void {
    this.writer.flushHeads();
    this.worker.publish();
    this.client.drain({
      onRecord: (kind) => {
        if (kind === RESPONSE_HEAD) this.heads += 1;
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

type Step =
  | { readonly what: 'connect' | 'data' | 'end'; readonly which: number }
  | { readonly what: 'head'; readonly which: number; readonly status: number }
  | { readonly what: 'error'; readonly which: number; readonly code: string }
  | { readonly what: 'advance'; readonly ms: number }
  | { readonly what: 'verdict'; readonly verdict: number; readonly target: number }
  | { readonly what: 'room'; readonly isThere: boolean }
  | { readonly what: 'flush' | 'leave' };

function take(rig: Rig, step: Step): void {
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

const which = fc.nat(5);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ what: fc.constantFrom('connect', 'connect', 'data', 'end'), which } as const),
  fc.record({ what: fc.constant('head'), which, status: fc.constantFrom(200, 503, 503) } as const),
  fc.record({
    what: fc.constant('error'),
    which,
    code: fc.constantFrom('ECONNREFUSED', 'UND_ERR_SOCKET', 'UND_ERR_INVALID_ARG'),
  } as const),
  fc.record({ what: fc.constant('advance'), ms: fc.nat(400) } as const),
  fc.record({
    what: fc.constant('verdict'),
    verdict: fc.constantFrom(VERDICT_ADMITTED, VERDICT_ADMITTED, VERDICT_CIRCUIT_OPEN),
    target: fc.nat(TARGET_COUNT - 1),
  } as const),
  fc.record({ what: fc.constant('room'), isThere: fc.boolean() } as const),
  { weight: 1, arbitrary: fc.constant<Step>({ what: 'flush' }) },
);

const anyOptions = fc.record({
  method: fc.constantFrom('GET', 'GET', 'POST'),
  hedgeAfterMs: fc.constantFrom(-1, 60),
  routeTimeoutMs: fc.constantFrom(0, 700),
});

function expectAllSettled(rig: Rig): void {
  const given = Array.from({ length: rig.admitted }, (_, at) => at + 1);
  expect(rig.settled.toSorted((a, b) => a - b)).toEqual(given);
  expect(rig.wheel.size).toBe(0);
  expect(rig.exchange.admission.isAsking).toBe(false);
}

describe('the tries of an exchange', () => {
  it('are settled once each, and never hang, whatever happens in which order', () => {
    fc.assert(
      fc.property(
        anyOptions,
        fc.array(anyStep, { maxLength: 60, size: 'max' }),
        fc.boolean(),
        (options, steps, isLeaving) => {
          const rig = new Rig(options);
          for (const step of steps) take(rig, step);
          if (isLeaving) take(rig, { what: 'leave' });
          // Nobody says anything more: the deadlines alone bring it to its end.
          for (let tick = 0; tick < 400 && !rig.exchange.isFinished; tick += 1) rig.advance(50);
          expect(rig.exchange.isFinished).toBe(true);
          expectAllSettled(rig);
          expect(rig.exchange.tries.sent).toBeLessThanOrEqual(1 + ATTEMPTS + 1);
          rig.endTurn();
          expect(rig.heads, 'a client gets one head').toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 3000 },
    );
  });

  const PLAIN = { method: 'GET', hedgeAfterMs: -1, routeTimeoutMs: 0 };

  it('go to the targets that the failed ones were not, until the attempts are used up', () => {
    const rig = new Rig(PLAIN);
    for (const target of [1, 2]) {
      take(rig, { what: 'error', which: target - 1, code: 'ECONNREFUSED' });
      rig.advance(400);
      rig.verdict(VERDICT_ADMITTED, target);
    }
    expect(rig.exchange.tries.triedMask).toBe(0b011);
    take(rig, { what: 'error', which: 2, code: 'ECONNREFUSED' });
    expect(rig.problem).toBe(PROBLEMS.connectFailed);
    expect(rig.exchange.tries.sent).toBe(3);
    expectAllSettled(rig);
  });

  it('give the reply that was held back when the coordinator has no target for a retry', () => {
    const rig = new Rig(PLAIN);
    take(rig, { what: 'connect', which: 0 });
    take(rig, { what: 'head', which: 0, status: 503 });
    rig.endTurn();
    expect(rig.heads).toBe(0);
    rig.advance(400);
    rig.verdict(VERDICT_CIRCUIT_OPEN, -1);
    rig.endTurn();
    expect(rig.heads).toBe(1);
    expect(rig.exchange.reply.status).toBe(503);
    take(rig, { what: 'end', which: 0 });
    expect(rig.exchange.isFinished).toBe(true);
    expectAllSettled(rig);
  });

  it('let go of a reply that still comes when another try is made in its place', () => {
    const rig = new Rig(PLAIN);
    take(rig, { what: 'connect', which: 0 });
    take(rig, { what: 'head', which: 0, status: 503 });
    rig.advance(400);
    expect(rig.air[0]?.isOver).toBe(false);
    rig.verdict(VERDICT_ADMITTED, 1);
    expect(rig.air[0]?.isOver).toBe(true);
    expect(rig.exchange.tries.keptReply).toBeNull();
  });

  it('are planned anew when a head is lost that had ended the wait for a hedge', () => {
    const rig = new Rig({ ...PLAIN, hedgeAfterMs: 60 });
    take(rig, { what: 'connect', which: 0 });
    rig.advance(150);
    expect(rig.exchange.admission.isAsking).toBe(true);
    take(rig, { what: 'head', which: 0, status: 200 });
    expect(rig.exchange.admission.isAsking).toBe(false);
    take(rig, { what: 'error', which: 0, code: 'UND_ERR_SOCKET' });
    expect(rig.exchange.tries.retries).toBe(1);
    expect(rig.exchange.reply.isHandedOn).toBe(false);
  });

  it('are let go once, however often nobody wants them any more', () => {
    const done = vi.spyOn(RetryPlanner.prototype, 'onRequestDone');
    const rig = new Rig(PLAIN);
    rig.finish();
    rig.loop.release(rig.exchange);
    expect(done).toHaveBeenCalledTimes(1);
    done.mockRestore();
  });

  it('end with the deadline of the route while they wait for their turn', () => {
    const rig = new Rig({ ...PLAIN, routeTimeoutMs: 700 });
    take(rig, { what: 'connect', which: 0 });
    rig.advance(800);
    expect(rig.problem).toBe(PROBLEMS.routeTimeout);
    expectAllSettled(rig);
  });

  it('are two at most with a hedge, and the first head ends the other', () => {
    const rig = new Rig({ ...PLAIN, hedgeAfterMs: 60 });
    take(rig, { what: 'connect', which: 0 });
    rig.advance(150);
    rig.verdict(VERDICT_ADMITTED, 1);
    expect(rig.exchange.tries.hedge).not.toBeNull();
    take(rig, { what: 'connect', which: 1 });
    take(rig, { what: 'head', which: 1, status: 200 });
    expect(rig.settled).toEqual([1]);
    expect(rig.exchange.targetIndex).toBe(1);
    take(rig, { what: 'end', which: 1 });
    expectAllSettled(rig);
  });

  it('are one when the coordinator has only the target of the first for a hedge', () => {
    const rig = new Rig({ ...PLAIN, hedgeAfterMs: 60 });
    rig.advance(150);
    rig.verdict(VERDICT_ADMITTED, 0);
    expect(rig.exchange.tries.sent).toBe(1);
    expect(rig.settled).toEqual([2]);
  });
});
