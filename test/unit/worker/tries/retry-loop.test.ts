/**
 * The retry loop against a coordinator and targets that do whatever they like, in any order, on a
 * clock that the test moves.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PROBLEMS, type ProblemKind } from '../../../../src/base/problems.js';
import {
  type ReplyView,
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
} from '../../../../src/channel/coordinator/coordinator-records.js';
import type { CompiledConfig, CompiledRoute } from '../../../../src/config/compiled-config.js';
import {
  ASK_PENDING,
  ASK_REFUSED,
  type CoordinatorClient,
} from '../../../../src/worker/admission/coordinator-client.js';
import { DeadlineWheel } from '../../../../src/worker/exchange/deadline-wheel.js';
import type { Exchange } from '../../../../src/worker/exchange/exchange.js';
import type { ReplyFieldBlock } from '../../../../src/worker/exchange/reply-state.js';
import type { ExchangeMetrics } from '../../../../src/worker/exchange-metrics.js';
import { RetryLoop } from '../../../../src/worker/tries/retry-loop.js';
import { RetryPlanner } from '../../../../src/worker/tries/retry-planner.js';
import type { Forwarder } from '../../../../src/worker/upstream/forwarder.js';
import type { UpstreamConnections } from '../../../../src/worker/upstream/upstream-transport.js';
import { UpstreamTry } from '../../../../src/worker/upstream/upstream-try.js';
import type { WorkerRoute } from '../../../../src/worker/worker-route.js';
import { aCoordinatorConfig } from '../../../support/coordinator-rig.js';
import { makeExchange } from '../../../support/make-exchange.js';

const TARGET_COUNT = 3;
const ATTEMPTS = 2;

function aConfig(hedgeAfterMs: number): CompiledConfig {
  const config = aCoordinatorConfig({ targetCounts: [TARGET_COUNT] });
  const [upstream] = config.upstreams;
  if (upstream === undefined) throw new Error('no upstream');
  const conditions = { connectFailure: true, reset: true, timeout: true, statuses: [503] };
  const retry = { ...upstream.retry, attempts: ATTEMPTS, conditions, minConcurrency: 100 };
  return { ...config, upstreams: [{ ...upstream, retry, hedgeAfterMs }] };
}

/** What undici has told a try so far: it keeps to an order. */
interface Air {
  readonly attempt: UpstreamTry;
  isConnected: boolean;
  hasHead: boolean;
  isOver: boolean;
}

interface Options {
  readonly method: string;
  readonly hedgeAfterMs: number;
  readonly routeTimeoutMs: number;
}

class Rig {
  nowMs = 1000;
  readonly wheel = new DeadlineWheel(this.nowMs);
  readonly air: Air[] = [];
  readonly settled = new Map<object, number>();
  admitted = 1;
  givenBack = 0;
  heads = 0;
  problem: ProblemKind | null = null;
  isRoomToAsk = true;
  readonly exchange: Exchange;
  readonly loop: RetryLoop;
  private asks = 0;

  constructor(options: Options) {
    const config = aConfig(options.hedgeAfterMs);
    const ledger = new Proxy({}, { get: () => () => {} }) as ExchangeMetrics;
    this.exchange = makeExchange({
      method: options.method,
      route: {
        config: { timeoutMs: options.routeTimeoutMs } as CompiledRoute,
        upstream: config.upstreams[0],
      } as WorkerRoute,
      onDeadline: (_, nowMs) => this.loop.onDeadline(this.exchange, nowMs),
    });
    this.loop = new RetryLoop({
      planner: new RetryPlanner(config, ledger, () => 0.5),
      forwarder: this.forwarder(),
      coordinator: this.coordinator(),
      ledger,
      wheel: this.wheel,
      nowMs: () => this.nowMs,
      unixMs: () => 0,
      touch: () => {},
      onReplyComplete: () => this.finish(),
      onFailed: (_, problem) => {
        this.problem = problem;
        this.finish();
      },
      onError: () => {},
    });
    this.exchange.admission.onAdmitted(0, 0);
    this.loop.begin(this.exchange);
  }

  finish(): void {
    if (this.exchange.isFinished) return;
    this.exchange.isFinished = true;
    this.wheel.clear(this.exchange.deadline);
    this.coordinatorStub.abandon();
    this.loop.release(this.exchange);
    this.coordinatorStub.giveBack();
  }

  private readonly coordinatorStub = {
    askAgain: (): number => {
      if (!this.isRoomToAsk) return ASK_REFUSED;
      expect(this.exchange.admission.isAsking, 'one ask at a time').toBe(false);
      this.asks += 1;
      this.exchange.admission.onAsked(this.asks);
      return ASK_PENDING;
    },
    abandon: (): void => {
      this.exchange.admission.onAskOver();
    },
    settleTry: (attempt: object): void => {
      this.settled.set(attempt, (this.settled.get(attempt) ?? 0) + 1);
    },
    giveBack: (): void => {
      if (!this.exchange.admission.isAdmitted) return;
      this.exchange.admission.handOver();
      this.givenBack += 1;
    },
  };

  private coordinator(): CoordinatorClient {
    return this.coordinatorStub as unknown as CoordinatorClient;
  }

  private forwarder(): Forwarder {
    const connections = { release: () => {} } as unknown as UpstreamConnections;
    const { exchange, air } = this;
    const flush = (): boolean => {
      exchange.reply.begin(0);
      return false;
    };
    const stub = {
      prepare: (_: Exchange, admission: { targetIndex: number; ticket: number }, loop: RetryLoop) =>
        new UpstreamTry(exchange, loop, connections, admission),
      launch: (attempt: UpstreamTry) => {
        air.push({ attempt, isConnected: false, hasHead: false, isOver: false });
      },
      deliverHead: (_: Exchange, status: number, block: ReplyFieldBlock) => {
        expect(exchange.reply.isStarted, 'a client gets one head').toBe(false);
        this.heads += 1;
        exchange.reply.onHead(status, block, false, this.nowMs);
        exchange.reply.holdHead();
        return false;
      },
      deliverBody: flush,
      deliverEnd: flush,
    };
    return stub as unknown as Forwarder;
  }

  verdict(verdict: number, targetIndex: number): void {
    const { exchange } = this;
    const { admission } = exchange;
    if (!admission.isAsking) return;
    admission.onAskOver();
    if (verdict === VERDICT_ADMITTED) {
      this.admitted += 1;
      admission.onAdmitted(targetIndex, 0);
    }
    this.loop.onVerdict(exchange, { verdict } as ReplyView);
  }

  advance(ms: number): void {
    this.nowMs += ms;
    this.wheel.advance(this.nowMs);
  }
}

type Step =
  | { readonly what: 'connect' | 'data' | 'end'; readonly which: number }
  | { readonly what: 'head'; readonly which: number; readonly status: number }
  | { readonly what: 'error'; readonly which: number; readonly code: string }
  | { readonly what: 'advance'; readonly ms: number }
  | { readonly what: 'verdict'; readonly verdict: number; readonly target: number }
  | { readonly what: 'room'; readonly isThere: boolean }
  | { readonly what: 'flush' | 'leave' };

function take(rig: Rig, step: Step): void {
  const { exchange } = rig;
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
      if (exchange.reply.isHeadPending && !exchange.isFinished) exchange.reply.begin(0);
      return;
    case 'leave':
      rig.finish();
      return;
    default:
      tell(rig.air[step.which % rig.air.length], step);
  }
}

/** undici says something of a try, as far as it would say it now. */
function tell(air: Air | undefined, step: Extract<Step, { which: number }>): void {
  if (air === undefined || air.isOver) return;
  const { attempt } = air;
  if (step.what === 'error') {
    air.isOver = true;
    attempt.onError(Object.assign(new Error('from the test'), { code: step.code }));
  } else if (step.what === 'connect' && !air.isConnected) {
    air.isConnected = true;
    try {
      attempt.onConnect(() => {});
    } catch {
      // Not wanted any more.
      air.isOver = true;
    }
  } else if (step.what === 'head' && air.isConnected && !air.hasHead) {
    air.hasHead = true;
    attempt.onHeaders(step.status, [], () => {});
  } else if (step.what === 'data' && air.hasHead) {
    attempt.onData(Buffer.from('x'));
  } else if (step.what === 'end' && air.hasHead) {
    air.isOver = true;
    attempt.onComplete();
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
  expect([...rig.settled.values()].every((count) => count === 1)).toBe(true);
  expect(rig.settled.size + rig.givenBack).toBe(rig.admitted);
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
          if (options.method === 'POST') expect(rig.heads).toBeLessThanOrEqual(1);
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
    expect(rig.heads).toBe(0);
    rig.advance(400);
    rig.verdict(VERDICT_CIRCUIT_OPEN, -1);
    expect(rig.heads).toBe(1);
    expect(rig.exchange.reply.status).toBe(503);
    take(rig, { what: 'end', which: 0 });
    expect(rig.exchange.isFinished).toBe(true);
    expectAllSettled(rig);
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
    expect(rig.settled.size).toBe(1);
    expect(rig.exchange.targetIndex).toBe(1);
    take(rig, { what: 'end', which: 1 });
    expectAllSettled(rig);
  });

  it('are one when the coordinator has only the target of the first for a hedge', () => {
    const rig = new Rig({ ...PLAIN, hedgeAfterMs: 60 });
    rig.advance(150);
    rig.verdict(VERDICT_ADMITTED, 0);
    expect(rig.exchange.tries.sent).toBe(1);
    expect(rig.givenBack).toBe(1);
  });
});
