/**
 * Counts what became of exchanges and writes their access records.
 *
 * Thread: worker. Only writer of this worker's counter block.
 */

import { BYPASS_REASONS, MISS_REASONS, NOT_STORED_REASONS } from '../../base/cache-reasons.js';
import type { Clock } from '../../base/clock.js';
import {
  GRPC_CANCELLED,
  GRPC_UNIMPLEMENTED,
  GRPC_UNKNOWN,
  httpStatusOfGrpc,
} from '../../base/grpc-status.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import {
  OUTCOME_FAILURE,
  OUTCOME_MASK,
  VERDICT_RATE_LIMITED,
} from '../../channel/coordinator/coordinator-records.js';
import type { RolloutWriter } from '../../channel/coordinator/rollout-memory.js';
import type { CounterBlock } from '../../channel/counter-block.js';
import type { RefusalRingWriter } from '../../channel/refusal-ring.js';
import type { CompiledTarget, GatewaySettings } from '../../config/compiled-config.js';
import type { CallRecord, RequestEnd, RequestLog } from '../../observability/access-log.js';
import { CallCounters } from '../../observability/call-counters.js';
import {
  CACHE_REASON_COUNTERS,
  type CacheCounter,
  COUNTERS,
  type CounterShape,
  cacheResultCounter,
  callsAt,
  closeCounter,
  collapsedCounter,
  durationHistogram,
  endStreams,
  FALLBACK_COUNTERS,
  LATENCY_BOUNDS_MS,
  NO_ROUTE,
  problemCounter,
  problemIndex,
  ROUTE_COUNTERS,
  requestCounter,
  routeCounter,
  TARGET_COUNTERS,
  targetCounter,
  targetLatencyHistogram,
  UPSTREAM_COUNTERS,
  upstreamCounter,
  WEBSOCKET_COUNTERS,
} from '../../observability/counters.js';
import { noteOf, pathOfTarget } from '../../observability/refused-request.js';
import type { CacheOutcome, Caching } from '../exchange/caching.js';
import type { Exchange } from '../exchange/exchange.js';
import { NO_GRPC_STATUS } from '../exchange/grpc-call.js';
import { keyOnOneLine, limiterKey } from '../exchange/limiter-keys.js';
import type { ReplyState } from '../exchange/reply-state.js';
import { recordedCost } from '../exchange/told-costs.js';
import type { TryInFlight } from '../exchange/try-in-flight.js';
import { isConnectFailure } from '../upstream/upstream-error.js';
import { type ConfigTrial, countTrial } from './config-trial.js';
import { loggedBodiesOf } from './logged-bodies.js';
import { countSide } from './measured-side.js';
import type { RequestTracing } from './request-tracing.js';

/** Where they are written, and their time. */
export interface MetricsOutputs {
  readonly counters: CounterBlock;
  readonly refusals: RefusalRingWriter;
  readonly tracing: RequestTracing;
  readonly clock: Clock;
  readonly rollouts: Pick<RolloutWriter, 'count'>;
}

const CACHE_COUNTERS: Readonly<Record<CacheOutcome, CacheCounter>> = {
  hit: 'cacheHits',
  stale: 'cacheStale',
  revalidated: 'cacheRevalidated',
  miss: 'cacheMisses',
  bypass: 'cacheBypassed',
};

export class ExchangeMetrics {
  private readonly hostPorts: string[] = [];
  /** null: nobody wants records. */
  private accessLog: RequestLog | null = null;

  /** null: no configuration is on trial. */
  private trial: ConfigTrial | null = null;

  private readonly counters: CounterBlock;
  private readonly calls: CallCounters;
  private readonly tracing: RequestTracing;

  constructor(
    private readonly shape: CounterShape,
    private readonly outputs: MetricsOutputs,
  ) {
    this.counters = outputs.counters;
    this.calls = new CallCounters(outputs.counters, callsAt(shape));
    this.tracing = outputs.tracing;
    endStreams(this.counters, shape);
  }

  /** The head of a request was read. Hot path (bench/gateway/plain-get). */
  begin(exchange: Exchange): void {
    if (this.tracing.begin(exchange)) this.counters.add(COUNTERS.sampledRequests);
  }

  /** Targets are called as this configuration has them, and records go there from now on. */
  adopt(config: GatewaySettings, accessLog: RequestLog | null): void {
    this.accessLog = accessLog;
    for (const target of config.targets) if (!target.isSlot) this.nameTarget(target);
  }

  /** A configuration is on trial: what requests come to is counted for it, and for all others. */
  tryOut(trial: ConfigTrial): void {
    this.trial = trial;
  }

  endTrial(): void {
    this.trial = null;
  }

  /** What the target of a row is called from now on. */
  nameTarget({ index, hostPort }: Pick<CompiledTarget, 'index' | 'hostPort'>): void {
    this.hostPorts[index] = hostPort;
  }

  countGranted({ trace }: Exchange, nowMs: number): void {
    this.counters.add(COUNTERS.grantedAdmissions);
    trace?.onGranted(nowMs);
  }

  /** Refused without an ask. */
  countRefusedAgain({ trace }: Exchange, nowMs: number): void {
    this.counters.add(COUNTERS.repeatedRefusals);
    trace?.onVerdict(nowMs, VERDICT_RATE_LIMITED);
  }

  /** Requests count for more than what {@link countRepeat} counts: for a trace, or a trial. */
  get looksClosely(): boolean {
    return this.trial !== null || this.tracing.isOn;
  }

  // Hot path (bench/gateway/refused-by-limit): once for every refusal that the acceptor repeats.
  /** The acceptor has refused a request like this one, which is over, by itself. */
  countRepeat(exchange: Exchange, requestId: string, durationMs: number, nowMs: number): void {
    const { counters, accessLog } = this;
    const { status } = exchange.reply;
    const routeIndex = routeIndexOf(exchange);
    counters.add(COUNTERS.repeatedRefusals);
    counters.add(requestCounter(routeIndex, exchange.head.method, status));
    counters.observe(durationHistogram(routeIndex), LATENCY_BOUNDS_MS, durationMs);
    this.countProblem(exchange, requestId, nowMs);
    if (accessLog?.wants(status, durationMs) === true) {
      this.writeRecord(exchange, durationMs, 'complete', requestId);
    }
  }

  countAsk({ trace }: Exchange, nowMs: number): void {
    this.counters.add(COUNTERS.coordinatorAsks);
    trace?.onAsk(nowMs);
  }

  /** Admitted without a limit, since the coordinator was lost. */
  countOpen(): void {
    this.counters.add(COUNTERS.openAdmissions);
  }

  countAskTimeout(): void {
    this.counters.add(COUNTERS.askTimeouts);
  }

  countStaleRetry(): void {
    this.counters.add(COUNTERS.staleRetries);
  }

  countConnect(): void {
    this.counters.add(COUNTERS.upstreamConnects);
  }

  countFilterError(): void {
    this.counters.add(COUNTERS.filterErrors);
  }

  countFilterReply(): void {
    this.counters.add(COUNTERS.filterReplies);
  }

  countRetry(upstreamIndex: number): void {
    this.addUpstream(upstreamIndex, UPSTREAM_COUNTERS.retries);
  }

  countHedge(upstreamIndex: number): void {
    this.addUpstream(upstreamIndex, UPSTREAM_COUNTERS.hedges);
  }

  countBudgetExhausted(upstreamIndex: number): void {
    this.addUpstream(upstreamIndex, UPSTREAM_COUNTERS.retryBudgetExhausted);
  }

  /**
   * The head of a try's reply has come, this long after the try began. Hot path
   * (bench/gateway/plain-get).
   */
  countHead(targetIndex: number, upstreamMs: number): void {
    const histogram = targetLatencyHistogram(this.shape, targetIndex);
    this.counters.observe(histogram, LATENCY_BOUNDS_MS, upstreamMs);
  }

  /** A try has ended; `outcome` is what the coordinator is told of it. */
  countTry(exchange: Exchange, attempt: TryInFlight, outcome: number): void {
    const { targetIndex } = attempt;
    this.addTarget(targetIndex, TARGET_COUNTERS.requests);
    const isFailure = (outcome & OUTCOME_MASK) === OUTCOME_FAILURE;
    if (isFailure) this.addTarget(targetIndex, TARGET_COUNTERS.errors);
    if (exchange.trace === null) return;
    const hostPort = this.hostPorts[targetIndex] ?? '';
    exchange.trace.endTry(exchange, attempt, {
      outcome,
      hostPort,
      nowMs: this.outputs.clock.nowMs(),
    });
  }

  countTryFailure(targetIndex: number, problem: ProblemKind): void {
    if (isConnectFailure(problem)) this.addTarget(targetIndex, TARGET_COUNTERS.connectFailures);
    if (problem.status === 504) this.addTarget(targetIndex, TARGET_COUNTERS.timeouts);
  }

  /** A reply is an event stream. */
  countEventStream(routeIndex: number): void {
    this.counters.add(routeCounter(routeIndex, ROUTE_COUNTERS.eventStreamsOpened));
  }

  countEventStreamEnd(routeIndex: number): void {
    this.counters.add(routeCounter(routeIndex, ROUTE_COUNTERS.eventStreamsEnded));
  }

  countClientLeft(): void {
    this.counters.add(COUNTERS.clientAborts);
  }

  /** A reply could not be completed. */
  countCut(): void {
    this.counters.add(COUNTERS.cutReplies);
  }

  /** A tunnel is open: its exchange gets a record of that, and another one when it ends. */
  openTunnel(exchange: Exchange, nowMs: number): void {
    const { accessLog } = this;
    const durationMs = nowMs - exchange.receivedMs;
    this.counters.add(routeCounter(routeIndexOf(exchange), WEBSOCKET_COUNTERS.opened));
    if (accessLog?.wants(exchange.reply.status, durationMs) === true) {
      this.writeRecord(exchange, durationMs, 'opened');
    }
  }

  // Hot path (bench/gateway/websocket-echo): every piece, both ways.
  countTunnel(exchange: Exchange, isUp: boolean, messages: number, bytes: number): void {
    const routeIndex = routeIndexOf(exchange);
    const { messagesUp, messagesDown, bytesUp, bytesDown } = WEBSOCKET_COUNTERS;
    this.counters.add(routeCounter(routeIndex, isUp ? messagesUp : messagesDown), messages);
    this.counters.add(routeCounter(routeIndex, isUp ? bytesUp : bytesDown), bytes);
  }

  private closeTunnel(routeIndex: number, code: number): void {
    this.counters.add(routeCounter(routeIndex, WEBSOCKET_COUNTERS.closed));
    this.counters.add(closeCounter(routeIndex, code));
  }

  /**
   * The exchange has ended: counts its figures and writes its record, once. Hot path
   * (bench/gateway/plain-get).
   */
  close(exchange: Exchange, nowMs: number): void {
    const { reply, head, tunnel } = exchange;
    if (reply.isAnsweredElsewhere) return;
    const { counters, accessLog } = this;
    const status = judgedStatus(exchange);
    const routeIndex = routeIndexOf(exchange);
    const durationMs = nowMs - exchange.receivedMs;
    counters.add(requestCounter(routeIndex, head.method, status));
    if (reply.isCut && status < 500) counters.add(COUNTERS.cutGoodReplies);
    // How long a socket was open is no time that anybody has waited.
    if (tunnel !== null && reply.isTunnel) this.closeTunnel(routeIndex, tunnel.closeCode);
    else counters.observe(durationHistogram(routeIndex), LATENCY_BOUNDS_MS, durationMs);
    this.countProblem(exchange, head.requestId, nowMs);
    if (this.trial !== null) countTrial(exchange, status, durationMs, this.trial);
    if (exchange.grpc !== null) this.countCall(exchange);
    const measured = exchange.route?.measured ?? null;
    if (measured !== null) countSide(this.outputs.rollouts, measured, exchange);
    if (exchange.caching !== null) this.countCaching(exchange.caching, routeIndex, reply.bytesSent);
    if (exchange.trace !== null) this.tracing.end(exchange, nowMs);
    if (accessLog?.wants(status, durationMs) === true) {
      this.writeRecord(exchange, durationMs, endOf(reply));
    }
  }

  /** A target that says UNIMPLEMENTED knows no such method. */
  private countCall(exchange: Exchange): void {
    const call = callRecordOf(exchange);
    if (call === null) return;
    const { service, method, status } = call;
    const isKnown = !exchange.reply.isLocal && status !== GRPC_UNIMPLEMENTED;
    this.calls.count(`${service}/${method}`, status, isKnown);
  }

  countFault(kind: 'delay' | 'abort'): void {
    this.counters.add(kind === 'delay' ? COUNTERS.faultDelays : COUNTERS.faultAborts);
  }

  /** A request has gone on to this one of the upstreams of its route's `fallback`. */
  countFallback(routeIndex: number, position: number): void {
    this.counters.add(routeCounter(routeIndex, FALLBACK_COUNTERS.first + position));
  }

  /** A request would have gone on, but must not be sent twice. */
  countNoFallback(routeIndex: number): void {
    this.counters.add(routeCounter(routeIndex, FALLBACK_COUNTERS.refused));
  }

  /** `figure`: of MIRROR_COUNTERS. */
  countMirror(routeIndex: number, figure: number): void {
    this.counters.add(routeCounter(routeIndex, figure));
  }

  /** A reply was stored, and this many others went to make room. */
  countStored(evicted: number): void {
    this.counters.add(COUNTERS.cacheStored);
    if (evicted > 0) this.counters.add(COUNTERS.cacheEvicted, evicted);
  }

  countFormUsed(): void {
    this.counters.add(COUNTERS.cacheForms);
  }

  // Hot path (bench/gateway/cache-hit): once for every request of a route with a cache.
  private countCaching(caching: Caching, routeIndex: number, bytes: number): void {
    const { counters } = this;
    counters.add(COUNTERS[CACHE_COUNTERS[caching.outcome]]);
    counters.add(cacheResultCounter(routeIndex, caching.outcome));
    if (caching.isCollapsed) {
      counters.add(COUNTERS.cacheCollapsed);
      counters.add(collapsedCounter(routeIndex));
    }
    if (caching.isServing) counters.add(COUNTERS.cacheBytes, bytes);
    else this.countUncached(caching);
  }

  private countUncached({ outcome, bypass, reason, notStored }: Caching): void {
    const { bypassed, missed, notStored: refused } = CACHE_REASON_COUNTERS;
    if (bypass !== null) this.counters.add(bypassed + BYPASS_REASONS.indexOf(bypass));
    if (outcome === 'miss') {
      const why = reason ?? 'only-if-cached';
      this.counters.add(missed + (MISS_REASONS as readonly string[]).indexOf(why));
    }
    if (notStored !== null) this.counters.add(refused + NOT_STORED_REASONS.indexOf(notStored));
  }

  /** An exchange without a client has ended: nobody has asked for it, and it has no record. */
  closeAside({ caching }: Exchange): void {
    if (caching?.isRefresh !== true) return;
    this.counters.add(COUNTERS.cacheRefreshes);
    if (!caching.isStored) this.counters.add(COUNTERS.cacheRefreshFailures);
  }

  private countProblem(exchange: Exchange, requestId: string, nowMs: number): void {
    const { problem } = exchange.reply;
    if (problem === null) return;
    const routeIndex = routeIndexOf(exchange);
    this.counters.add(problemCounter(problem));
    if (problem === PROBLEMS.rateLimited) {
      this.counters.add(routeCounter(routeIndex, ROUTE_COUNTERS.rateLimited));
    } else if (problem === PROBLEMS.unauthorized) {
      this.counters.add(routeCounter(routeIndex, ROUTE_COUNTERS.unauthorized));
    }
    if (this.outputs.refusals.isDue(nowMs)) this.noteRefusal(exchange, requestId, problem, nowMs);
  }

  private noteRefusal(
    exchange: Exchange,
    requestId: string,
    problem: ProblemKind,
    nowMs: number,
  ): void {
    const { consumer, route } = exchange;
    const { method, path, target, clientIp } = exchange.head;
    const { limiters = [] } = route ?? {};
    const fields = noteOf({
      method,
      path: path === '' ? pathOfTarget(target) : path,
      route: route?.config.name ?? '',
      clientIp,
      consumer,
      requestId,
      cause: exchange.reply.cause,
      keyLines: limiters.map((limiter) => keyOnOneLine(limiterKey(exchange, limiter))),
    });
    const { refusals, clock } = this.outputs;
    refusals.note(nowMs, { about: problemIndex(problem), unixMs: clock.unixMs(), fields });
  }

  private addTarget(targetIndex: number, figure: number): void {
    this.counters.add(targetCounter(this.shape, targetIndex, figure));
  }

  private addUpstream(upstreamIndex: number, figure: number): void {
    this.counters.add(upstreamCounter(this.shape, upstreamIndex, figure));
  }

  private writeRecord(
    exchange: Exchange,
    durationMs: number,
    end: RequestEnd,
    requestId = exchange.head.requestId,
  ): void {
    const { head, tries, reply } = exchange;
    this.accessLog?.write({
      requestId,
      clientIp: head.clientIp,
      consumer: exchange.consumer,
      method: head.method,
      protocol: head.protocol,
      target: head.target,
      route: exchange.route?.config.name ?? '',
      upstreamTarget: this.hostPorts[exchange.targetIndex] ?? '',
      tries: tries.sentBefore + tries.sent,
      status: reply.status,
      bytes: reply.bytesSent,
      coding: reply.coding,
      durationMs,
      upstreamMs: tries.upstreamMs,
      code: reply.problem?.code ?? '',
      cause: reply.cause,
      end,
      webSocket: exchange.tunnel?.summary ?? '',
      fields: head.fields,
      call: callRecordOf(exchange),
      traceId: exchange.trace?.traceId ?? '',
      cache: exchange.caching?.outcome ?? '',
      cost: recordedCost(exchange),
      fault: exchange.fault,
      fallback: tries.fallback,
      noFallback: tries.noFallback,
      plugins: exchange.plugins?.record ?? '',
      bodies: loggedBodiesOf(exchange),
      known: exchange.known,
    });
  }
}

/** A call is as good as the status of HTTP that stands for its own. */
function judgedStatus({ grpc, reply }: Exchange): number {
  return grpc === null || grpc.status === NO_GRPC_STATUS
    ? reply.status
    : httpStatusOfGrpc(grpc.status);
}

function callRecordOf({ grpc, reply }: Exchange): CallRecord | null {
  if (grpc === null) return null;
  const { service, method } = grpc;
  const known = grpc.status !== NO_GRPC_STATUS;
  return { service, method, status: known ? grpc.status : codeOfEnd(reply) };
}

/** What a client makes of a reply without a status. */
function codeOfEnd({ isAborted }: Readonly<ReplyState>): number {
  return isAborted ? GRPC_CANCELLED : GRPC_UNKNOWN;
}

function routeIndexOf({ route }: Exchange): number {
  return route === null ? NO_ROUTE : route.config.index;
}

function endOf({ isCut, isAborted }: Readonly<ReplyState>): RequestEnd {
  if (isCut) return 'cut';
  return isAborted ? 'clientLeft' : 'complete';
}
