/**
 * Answers from memory where that may be, and has a target answer where it may not.
 *
 * Thread: worker. What is stored, and what may answer, is worker/cache/reply-cache.ts. A request
 * comes here without a target: it asks for one only when none of what is stored answers it.
 */
import { defined } from '../../base/assert.js';
import type { ProblemKind } from '../../base/problems.js';
import type { ReplyView } from '../../channel/coordinator/coordinator-records.js';
import type { AdmissionGate } from '../admission/admission-gate.js';
import { OVERLOADED } from '../admission/admission-phase.js';
import type { Look, ReplyCache } from '../cache/reply-cache.js';
import { QUERY } from '../cache/route-cache.js';
import type { DeadlineWheel } from '../exchange/deadline-wheel.js';
import { type Exchange, routeOf, upstreamOf } from '../exchange/exchange.js';
import type { FilterRunner } from '../request/filter-runner.js';
import type { RetryLoop } from '../tries/retry-loop.js';
import { Answerer, type AnswerResult, type AnswerSink } from './answerer.js';

export interface CachedAnswererParts {
  readonly cache: ReplyCache;
  readonly gate: Pick<AdmissionGate, 'tryEnter'>;
  readonly filters: Pick<FilterRunner, 'runBody'>;
  readonly tries: Pick<
    RetryLoop,
    'beginUnadmitted' | 'beginAside' | 'onRequestComplete' | 'onVerdict' | 'onDeadline' | 'release'
  >;
  readonly wheel: Pick<DeadlineWheel, 'set'>;
  nowMs(): number;
}

export class CachedAnswerer extends Answerer {
  constructor(
    private readonly parts: CachedAnswererParts,
    private readonly sink: AnswerSink,
  ) {
    super();
  }

  override answer(exchange: Exchange): AnswerResult {
    // More of its body came.
    if (exchange.caching !== null) return this.fetch(exchange);
    const { head, upload } = exchange;
    if (head.method === QUERY && !upload.isReady) return 'wait';
    return this.follow(exchange, this.parts.cache.open(exchange));
  }

  private follow(exchange: Exchange, look: Look): AnswerResult {
    const { cache, wheel } = this.parts;
    const caching = defined(exchange.caching, 'what was looked for');
    switch (look) {
      case 'serve':
        cache.serve(exchange, caching);
        if (caching.needsRefresh) this.refresh(exchange);
        this.watch(exchange);
        return 'begun';
      case 'follow':
        cache.followers.follow(exchange, caching);
        this.watch(exchange);
        return 'begun';
      case 'wait':
        wheel.set(exchange.deadline, caching.waitsUntilMs);
        return 'begun';
      case 'fetch':
        return this.fetch(exchange);
      default:
        return look;
    }
  }

  private fetch(exchange: Exchange): AnswerResult {
    const { filters, gate, tries, cache } = this.parts;
    const reply = filters.runBody(exchange);
    if (reply !== null) return reply;
    if (!exchange.upload.isReady) return 'wait';
    if (!gate.tryEnter(exchange, routeOf(exchange), this.parts.nowMs())) {
      if (!cache.canServeOnError(exchange)) return OVERLOADED;
      this.serveOnError(exchange);
      return 'begun';
    }
    tries.beginUnadmitted(exchange);
    return 'begun';
  }

  /** What has gone out is stale: a target is asked behind it, once for all workers. */
  private refresh(exchange: Exchange): void {
    const { cache, gate, filters, tries, nowMs } = this.parts;
    const caching = cache.tryRefresh(exchange);
    if (caching === null) return;
    const aside = this.sink.beginAside(exchange);
    try {
      cache.openRefresh(aside, caching);
      const isLetOn = filters.runBody(aside) === null;
      if (isLetOn && gate.tryEnter(aside, routeOf(aside), nowMs())) {
        tries.beginAside(aside, nowMs() + cache.refreshMs(aside));
      } else {
        this.sink.onReply(aside, OVERLOADED);
      }
    } catch (error) {
      this.sink.onBroken(aside, error);
    }
  }

  private serveOnError(exchange: Exchange): void {
    this.parts.cache.serveOnError(exchange);
    this.watch(exchange);
  }

  /** A client that takes nothing of a stored reply is let go. */
  private watch(exchange: Exchange): void {
    if (exchange.isFinished) return;
    const { idleMs } = upstreamOf(exchange).timeouts;
    this.parts.wheel.set(exchange.deadline, exchange.reply.movedMs + idleMs);
  }

  /** What an exchange has waited for may be there. */
  goOn(exchange: Exchange): void {
    if (exchange.isFinished || exchange.caching === null) return;
    this.parts.cache.endWait(exchange);
    try {
      const look = this.parts.cache.look(exchange, exchange.caching);
      const result = this.follow(exchange, look);
      if (typeof result === 'object') this.sink.onReply(exchange, result);
    } catch (error) {
      this.sink.onBroken(exchange, error);
    }
  }

  override onFailed(exchange: Exchange, _problem: ProblemKind): boolean {
    if (!this.parts.cache.canServeOnError(exchange)) return false;
    this.serveOnError(exchange);
    return true;
  }

  override onRequestComplete(exchange: Exchange): void {
    this.parts.tries.onRequestComplete(exchange);
  }

  override onVerdict(exchange: Exchange, reply: ReplyView): void {
    this.parts.tries.onVerdict(exchange, reply);
  }

  override onDeadline(exchange: Exchange, nowMs: number): void {
    const { caching } = exchange;
    if (caching?.isWaiting === true) {
      this.goOn(exchange);
    } else if (caching?.isServing === true) {
      this.onServingDeadline(exchange, nowMs);
    } else {
      this.parts.tries.onDeadline(exchange, nowMs);
    }
  }

  private onServingDeadline(exchange: Exchange, nowMs: number): void {
    const { idleMs } = upstreamOf(exchange).timeouts;
    if (exchange.reply.movedMs + idleMs > nowMs) this.watch(exchange);
    else this.sink.onStuck(exchange);
  }

  override release(exchange: Exchange): void {
    this.parts.cache.release(exchange);
    this.parts.tries.release(exchange);
  }
}
