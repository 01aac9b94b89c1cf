/**
 * A worker's side of the conversation with the coordinator: asks, grants held, outcomes told.
 *
 * Thread: worker. Owns the asks that wait for a reply and the grants of this worker.
 * Invariant: an admitted exchange is settled exactly once, whatever becomes of it.
 */
import { assert } from '../base/assert.js';
import type { HalfSipHash } from '../base/half-sip-hash.js';
import type { CoordinatorWorkerEnd, ReplyHandler } from '../channel/coordinator-channel.js';
import {
  ASK_WANTS_GRANT,
  addLimit,
  createAskFields,
  OUTCOME_CANCELLED,
  type ReplyView,
  VERDICT_ADMITTED,
} from '../channel/coordinator-records.js';
import type { Exchange } from './exchange.js';
import type { TargetGrants } from './target-grants.js';
import type { WorkerRoute } from './worker-route.js';

export const ASK_ADMITTED = 0;
export const ASK_PENDING = 1;
/** There is no room for asks: the caller sheds. */
export const ASK_REFUSED = 2;

/** How long a request waits for a coordinator that does not answer. */
export const ASK_WAIT_MS = 100;

/** What was admitted, and is to be settled. */
export interface AdmittedTry {
  readonly targetIndex: number;
  readonly ticket: number;
}

/** Hears the verdict of an ask that was pending. The view is valid inside the call only. */
export type VerdictHandler = (exchange: Exchange, reply: ReplyView) => void;

export class CoordinatorClient implements ReplyHandler {
  private readonly waiting = new Map<number, Exchange>();
  private lastAskId = 0;
  private readonly fields = createAskFields();

  constructor(
    private readonly end: CoordinatorWorkerEnd,
    private readonly grants: TargetGrants,
    private readonly hash: HalfSipHash,
    private readonly nowMs: () => number,
    private readonly onVerdict: VerdictHandler,
  ) {}

  /**
   * Asks for one try of the exchange. `limiterKeys` are what the route's limiters count by.
   * ASK_ADMITTED: decided under a grant, the exchange has its target.
   */
  askAdmission(
    exchange: Exchange,
    route: WorkerRoute,
    limiterKeys: readonly string[],
    nowMs: number,
  ): number {
    const { limiters, upstream } = route;
    if (limiters.length === 0) {
      const targetIndex = this.grants.tryTake(upstream.index, nowMs);
      if (targetIndex !== -1) {
        exchange.targetIndex = targetIndex;
        exchange.ticket = 0;
        exchange.isAdmitted = true;
        return ASK_ADMITTED;
      }
    }
    this.fillAsk(route);
    this.addLimits(route, limiterKeys);
    if (limiters.length === 0) this.fields.flags = this.grants.askFlags(upstream.index, nowMs);
    return this.sendAsk(exchange);
  }

  /**
   * Asks for another try of an exchange, at a target that was not tried. It was counted against
   * its limits already, and a grant does not know what was tried.
   */
  askAgain(exchange: Exchange, route: WorkerRoute, triedMask: number): number {
    this.fillAsk(route);
    this.fields.triedMask = triedMask;
    return this.sendAsk(exchange);
  }

  private sendAsk(exchange: Exchange): number {
    if (!this.end.ask(this.fields)) return ASK_REFUSED;
    exchange.askId = this.fields.askId;
    exchange.askFlags = this.fields.flags;
    this.waiting.set(exchange.askId, exchange);
    return ASK_PENDING;
  }

  private fillAsk(route: WorkerRoute): void {
    this.lastAskId = (this.lastAskId + 1) & 0x7fffffff;
    const { fields } = this;
    fields.askId = this.lastAskId;
    fields.routeIndex = route.config.index;
    fields.upstreamIndex = route.upstream.index;
    fields.triedMask = 0;
    fields.flags = 0;
    fields.limitCount = 0;
  }

  private addLimits(route: WorkerRoute, limiterKeys: readonly string[]): void {
    const { fields } = this;
    for (const [position, limiter] of route.limiters.entries()) {
      this.hash.hash(limiterKeys[position] ?? '');
      addLimit(fields, limiter.index, this.hash.high, this.hash.low);
    }
  }

  /** Gives up waiting: a reply that comes later is given back. */
  abandon(exchange: Exchange): void {
    if (exchange.askId === -1) return;
    this.waiting.delete(exchange.askId);
    exchange.askId = -1;
    this.end.abandonAsk();
  }

  /** Says what came of a try, once for each. */
  settleTry(attempt: AdmittedTry, upstreamIndex: number, outcome: number): void {
    this.end.tellOutcome(attempt.targetIndex, attempt.ticket, outcome, upstreamIndex);
  }

  /** Gives back the exchange's last admission, if no try was made with it. */
  giveBack(exchange: Exchange, upstreamIndex: number): void {
    if (!exchange.isAdmitted) return;
    exchange.isAdmitted = false;
    this.settleTry(exchange, upstreamIndex, OUTCOME_CANCELLED);
  }

  onReply(reply: ReplyView): boolean {
    const exchange = this.waiting.get(reply.askId);
    if (exchange === undefined) return false;
    if (exchange.askFlags === ASK_WANTS_GRANT) this.grants.onReply(reply, this.nowMs());
    this.waiting.delete(reply.askId);
    assert(exchange.askId === reply.askId, 'an exchange waits for its own ask');
    exchange.askId = -1;
    if (reply.verdict === VERDICT_ADMITTED) {
      exchange.targetIndex = reply.targetIndex;
      exchange.ticket = reply.ticket;
      exchange.isAdmitted = true;
    }
    this.onVerdict(exchange, reply);
    return true;
  }

  /** Reads all replies; returns how many. */
  drain(): number {
    return this.end.drainReplies(this);
  }

  /** Publishes asks and outcomes. True: some found no room yet, flush again soon. */
  flush(): boolean {
    return this.end.flush();
  }

  get pendingAsks(): number {
    return this.waiting.size;
  }
}
