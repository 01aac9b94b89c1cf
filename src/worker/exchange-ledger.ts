/**
 * Counts what became of exchanges and writes their access records.
 *
 * Thread: worker. Only writer of this worker's counter block.
 */
import { PROBLEMS, type ProblemKind } from '../base/gateway-error.js';
import { OUTCOME_FAILURE, OUTCOME_MASK } from '../channel/coordinator-records.js';
import type { CounterBlock } from '../channel/counter-block.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import type { AccessLog } from '../observability/access-log.js';
import {
  COUNTERS,
  type CounterShape,
  ROUTE_COUNTERS,
  routeCounter,
  TARGET_COUNTERS,
  targetCounter,
} from '../observability/counters.js';
import type { Exchange } from './exchange.js';
import { isConnectFailure } from './upstream/upstream-error.js';

/** Status in the access record of a client that left before a reply began. */
const STATUS_CLIENT_LEFT = 499;

const COUNTER_OF_PROBLEM: ReadonlyMap<ProblemKind, number> = new Map<ProblemKind, number>([
  [PROBLEMS.rateLimited, COUNTERS.rateLimited],
  [PROBLEMS.unauthorized, COUNTERS.unauthorized],
  [PROBLEMS.circuitOpen, COUNTERS.circuitOpen],
  [PROBLEMS.noHealthyTarget, COUNTERS.noHealthyTarget],
  [PROBLEMS.overloaded, COUNTERS.shed],
  [PROBLEMS.coordinatorLost, COUNTERS.shed],
]);

export class ExchangeLedger {
  private readonly hostPorts: string[] = [];
  private accessLog: AccessLog = () => {};

  constructor(
    private readonly shape: CounterShape,
    private readonly counters: CounterBlock,
  ) {}

  /** Targets are called as this configuration has them, and records go there from now on. */
  use(config: CompiledConfig, accessLog: AccessLog): void {
    this.accessLog = accessLog;
    for (const { index, hostPort } of config.targets) this.hostPorts[index] = hostPort;
  }

  countGranted(): void {
    this.counters.add(COUNTERS.grantedAdmissions);
  }

  countAsk(): void {
    this.counters.add(COUNTERS.coordinatorAsks);
  }

  /** Admitted without a limit, since the coordinator was lost. */
  countOpen(): void {
    this.counters.add(COUNTERS.openAdmissions);
  }

  countAskTimeout(): void {
    this.counters.add(COUNTERS.askTimeouts);
  }

  countDroppedTells(count: number): void {
    this.counters.add(COUNTERS.droppedTells, count);
  }

  countStaleRetry(): void {
    this.counters.add(COUNTERS.staleRetries);
  }

  countConnect(): void {
    this.counters.add(COUNTERS.upstreamConnects);
  }

  countRetry(): void {
    this.counters.add(COUNTERS.retries);
  }

  countHedge(): void {
    this.counters.add(COUNTERS.hedges);
  }

  countBudgetExhausted(): void {
    this.counters.add(COUNTERS.retryBudgetExhausted);
  }

  /** A try has ended; `outcome` is what the coordinator is told of it. */
  countTry(targetIndex: number, outcome: number): void {
    this.addTarget(targetIndex, TARGET_COUNTERS.requests);
    const isFailure = (outcome & OUTCOME_MASK) === OUTCOME_FAILURE;
    if (isFailure) this.addTarget(targetIndex, TARGET_COUNTERS.errors);
  }

  countTryFailure(targetIndex: number, problem: ProblemKind): void {
    if (isConnectFailure(problem)) this.addTarget(targetIndex, TARGET_COUNTERS.connectFailures);
    if (problem.status === 504) this.addTarget(targetIndex, TARGET_COUNTERS.timeouts);
  }

  markAborted(exchange: Exchange): void {
    this.counters.add(COUNTERS.clientAborts);
    if (!exchange.isReplyStarted) exchange.status = STATUS_CLIENT_LEFT;
  }

  /** A reply that had begun could not be completed. */
  markCut(exchange: Exchange): void {
    this.counters.add(COUNTERS.cutReplies);
    if (exchange.status < 500) this.counters.add(COUNTERS.errors);
  }

  /** The exchange has ended: every figure and the record, once. */
  close(exchange: Exchange, nowMs: number): void {
    const { status, problem, route } = exchange;
    if (exchange.isAnsweredElsewhere) return;
    const isError = status >= 500;
    this.counters.add(COUNTERS.requests);
    if (isError) this.counters.add(COUNTERS.errors);
    const statusClass = Math.floor(status / 100);
    if (statusClass >= 1 && statusClass <= 5) {
      this.counters.add(COUNTERS.status1xx + statusClass - 1);
    }
    const named = problem === null ? undefined : COUNTER_OF_PROBLEM.get(problem);
    if (named !== undefined) this.counters.add(named);
    if (route !== null) this.closeRoute(route.config.index, problem, isError);
    this.writeRecord(exchange, nowMs);
  }

  private closeRoute(routeIndex: number, problem: ProblemKind | null, isError: boolean): void {
    const { counters, shape } = this;
    counters.add(routeCounter(shape, routeIndex, ROUTE_COUNTERS.requests));
    if (isError) counters.add(routeCounter(shape, routeIndex, ROUTE_COUNTERS.errors));
    if (problem === PROBLEMS.rateLimited) {
      counters.add(routeCounter(shape, routeIndex, ROUTE_COUNTERS.rateLimited));
    } else if (problem === PROBLEMS.unauthorized) {
      counters.add(routeCounter(shape, routeIndex, ROUTE_COUNTERS.unauthorized));
    }
  }

  private addTarget(targetIndex: number, figure: number): void {
    this.counters.add(targetCounter(this.shape, targetIndex, figure));
  }

  private writeRecord(exchange: Exchange, nowMs: number): void {
    this.accessLog({
      requestId: exchange.requestId,
      clientIp: exchange.clientIp,
      consumer: exchange.consumer,
      method: exchange.method,
      target: exchange.target,
      route: exchange.route?.config.name ?? '',
      upstreamTarget: this.hostPorts[exchange.targetIndex] ?? '',
      tries: exchange.tries,
      status: exchange.status,
      bytes: exchange.replyBytesSent,
      durationMs: nowMs - exchange.receivedMs,
      code: exchange.problem?.code ?? '',
    });
  }
}
