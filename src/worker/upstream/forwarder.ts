/**
 * Sends exchanges to their targets and brings the replies back.
 *
 * Thread: worker. Owns this worker's connections to all targets. Hears of every try through
 * TryListener and tells the pipeline only what ends one.
 *
 * A body of up to 64 KiB is collected and sent as one buffer, so that it can be sent again; a
 * longer or unknown one streams, and the client is slowed down to the target's pace.
 */
import { Readable } from 'node:stream';
import { assert, defined } from '../../base/assert.js';
import { PROBLEMS, type ProblemKind } from '../../base/gateway-error.js';
import { BODY_RECORD_BYTES_MAX, WINDOW_CREDIT_BYTES } from '../../channel/lane.js';
import type { CompiledConfig } from '../../config/compiled-config.js';
import type { DeadlineWheel } from '../deadline-wheel.js';
import type { Exchange } from '../exchange.js';
import type { ExchangeLedger } from '../exchange-ledger.js';
import type { ReplyWriter } from '../reply-writer.js';
import { rewritePath } from '../worker-route.js';
import type { ReplyFieldBlock } from './reply-fields.js';
import type { TrustedProxies } from './trusted-proxies.js';
import { UpstreamConnections } from './upstream-connections.js';
import { isConnectionLoss, upstreamProblem } from './upstream-error.js';
import { type TryListener, UpstreamTry } from './upstream-try.js';

/** Bodies up to this size can be sent again. */
const REPLAYABLE_BYTES_MAX = 64 * 1024;

const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'PUT',
  'DELETE',
  'OPTIONS',
]);

export interface ForwarderParts {
  readonly config: CompiledConfig;
  readonly trustedProxies: TrustedProxies;
  readonly wheel: DeadlineWheel;
  readonly replies: ReplyWriter;
  readonly ledger: ExchangeLedger;
  nowMs(): number;
  onReplyComplete(exchange: Exchange): void;
  onTryFailed(exchange: Exchange, problem: ProblemKind): void;
  onError(error: unknown): void;
}

export class Forwarder implements TryListener {
  private readonly connections: UpstreamConnections[];

  constructor(private readonly parts: ForwarderParts) {
    const { config, ledger } = parts;
    this.connections = config.targets.map((target) => {
      const upstream = defined(config.upstreams[target.upstreamIndex], 'the upstream of a target');
      return new UpstreamConnections(target, upstream, () => ledger.countConnect());
    });
  }

  /** A small body must be complete before it is sent. */
  isReady(exchange: Exchange): boolean {
    return exchange.isRequestComplete || isStreamed(exchange);
  }

  takeBody(exchange: Exchange, chunk: Buffer, isLast: boolean): void {
    if (isLast) exchange.isRequestComplete = true;
    const stream = exchange.bodyStream;
    if (stream === null) {
      if (chunk.length > 0) exchange.bodyChunks.push(chunk);
      return;
    }
    if (chunk.length > 0) this.pushBody(exchange, stream, chunk);
    if (isLast) stream.push(null);
  }

  send(exchange: Exchange): void {
    this.sendOn(exchange, false);
  }

  private sendOn(exchange: Exchange, isFresh: boolean): void {
    const { config, wheel, trustedProxies } = this.parts;
    const { route } = exchange;
    assert(route !== null && exchange.isAdmitted, 'only an admitted exchange is forwarded');
    const connections = this.connectionsTo(exchange.targetIndex);
    const target = defined(config.targets[exchange.targetIndex], 'the target');
    const body = this.bodyOf(exchange);
    const connection = isFresh ? connections.acquireFresh(body) : connections.acquire(body);
    const attempt = new UpstreamTry(exchange, this, connections, connection);
    exchange.currentTry = attempt;
    const nowMs = this.parts.nowMs();
    exchange.activeMs = nowMs;
    wheel.set(exchange.deadline, nowMs + route.upstream.timeouts.responseMs);
    attempt.send({
      exchange,
      path: rewritePath(route, exchange.path) + exchange.query,
      authority: target.authority,
      isPeerTrusted: trustedProxies.includes(exchange.peer),
      body,
    });
  }

  private connectionsTo(targetIndex: number): UpstreamConnections {
    return defined(this.connections[targetIndex], 'connections to the target');
  }

  private bodyOf(exchange: Exchange): Buffer | Readable | null {
    if (exchange.bodyBytes === 0) return null;
    if (isStreamed(exchange)) return this.openStream(exchange);
    const [only] = exchange.bodyChunks;
    if (exchange.bodyChunks.length === 1 && only !== undefined) return only;
    const whole = Buffer.concat(exchange.bodyChunks);
    exchange.bodyChunks = [whole];
    return whole;
  }

  private openStream(exchange: Exchange): Readable {
    const stream = new Readable({ read: () => this.creditBody(exchange, 0, true) });
    // Its end comes through the try; an error that nobody hears would end the thread.
    stream.on('error', () => {});
    exchange.bodyStream = stream;
    const chunks = exchange.bodyChunks;
    exchange.bodyChunks = [];
    for (const chunk of chunks) this.pushBody(exchange, stream, chunk);
    if (exchange.isRequestComplete) stream.push(null);
    return stream;
  }

  private pushBody(exchange: Exchange, stream: Readable, chunk: Buffer): void {
    exchange.activeMs = this.parts.nowMs();
    const wantsMore = stream.push(chunk);
    this.creditBody(exchange, chunk.length, wantsMore);
  }

  /** Window goes back only for what the target's side has room for. */
  private creditBody(exchange: Exchange, bytes: number, wantsMore: boolean): void {
    exchange.bodyConsumed += bytes;
    const isDue = exchange.bodyConsumed >= WINDOW_CREDIT_BYTES;
    if (!wantsMore || !isDue || exchange.isFinished || exchange.isRequestComplete) return;
    const credit = exchange.bodyConsumed;
    exchange.bodyConsumed = 0;
    this.parts.replies.giveWindow(exchange, credit);
  }

  onHead(exchange: Exchange, status: number, { fields, bodyBytes }: ReplyFieldBlock): void {
    exchange.status = status;
    exchange.replyFields = fields;
    exchange.isReplyBodiless = status === 204 || status === 304 || exchange.method === 'HEAD';
    exchange.replyBodyBytes = status === 204 ? -1 : bodyBytes;
    exchange.activeMs = this.parts.nowMs();
    if (this.parts.replies.onHead(exchange)) {
      this.leaveTry(exchange);
      this.parts.onReplyComplete(exchange);
      return;
    }
    this.parts.wheel.set(exchange.deadline, exchange.activeMs + this.idleMs(exchange));
  }

  onBody(exchange: Exchange, chunk: Buffer): boolean {
    if (this.parts.replies.onBody(exchange, chunk)) {
      this.leaveTry(exchange);
      this.parts.onReplyComplete(exchange);
      return true;
    }
    exchange.activeMs = this.parts.nowMs();
    if (exchange.replyWindow >= BODY_RECORD_BYTES_MAX) return true;
    exchange.isReplyPaused = true;
    return false;
  }

  /** The client has taken more of the reply. */
  onWindow(exchange: Exchange, bytes: number): void {
    exchange.replyWindow += bytes;
    exchange.activeMs = this.parts.nowMs();
    if (!exchange.isReplyPaused || exchange.replyWindow < BODY_RECORD_BYTES_MAX) return;
    exchange.isReplyPaused = false;
    exchange.currentTry?.resume();
  }

  onComplete(exchange: Exchange): void {
    exchange.currentTry = null;
    this.parts.replies.onEnd(exchange);
    this.parts.onReplyComplete(exchange);
  }

  onFailure(exchange: Exchange, error: unknown, hasBegun: boolean): void {
    const attempt = exchange.currentTry;
    exchange.currentTry = null;
    if (!hasBegun && attempt?.isReused && isConnectionLoss(error) && canRepeat(exchange)) {
      exchange.hasRetriedStale = true;
      this.parts.ledger.countStaleRetry();
      this.sendOn(exchange, true);
      return;
    }
    const problem = upstreamProblem(error);
    if (problem === PROBLEMS.internal) this.parts.onError(error);
    this.parts.onTryFailed(exchange, problem);
  }

  /** The head did not come in time, or nothing has moved for too long. */
  onDeadline(exchange: Exchange, nowMs: number): void {
    const isAwaitingHead = !exchange.isReplyStarted && !exchange.isHeadHeld;
    const idleUntilMs = exchange.activeMs + this.idleMs(exchange);
    if (!isAwaitingHead && idleUntilMs > nowMs) {
      this.parts.wheel.set(exchange.deadline, idleUntilMs);
      return;
    }
    // An upload that still moves is the client's time, not the target's.
    const responseMs = exchange.route?.upstream.timeouts.responseMs ?? 0;
    if (isAwaitingHead && !exchange.isRequestComplete && exchange.activeMs + responseMs > nowMs) {
      this.parts.wheel.set(exchange.deadline, exchange.activeMs + responseMs);
      return;
    }
    this.release(exchange);
    this.parts.onTryFailed(exchange, PROBLEMS.responseTimeout);
  }

  /** The exchange is over: its try ends, and with it its connection when it was not finished. */
  release(exchange: Exchange): void {
    const attempt = exchange.currentTry;
    exchange.currentTry = null;
    attempt?.abort();
    exchange.bodyStream?.destroy();
    exchange.bodyStream = null;
    exchange.bodyChunks = [];
  }

  async close(): Promise<void> {
    await Promise.all(this.connections.map((connections) => connections.close()));
  }

  /** The reply is complete for the client; undici may still have its end to read. */
  private leaveTry(exchange: Exchange): void {
    exchange.currentTry?.detach();
    exchange.currentTry = null;
  }

  private idleMs(exchange: Exchange): number {
    return exchange.route?.upstream.timeouts.idleMs ?? 0;
  }
}

function isStreamed(exchange: Exchange): boolean {
  return exchange.bodyBytes < 0 || exchange.bodyBytes > REPLAYABLE_BYTES_MAX;
}

/** Nothing can have been done twice: an idempotent request, its body at hand, and only once. */
function canRepeat(exchange: Exchange): boolean {
  return (
    !exchange.hasRetriedStale && IDEMPOTENT_METHODS.has(exchange.method) && !isStreamed(exchange)
  );
}
