/**
 * Hands requests to targets, and replies to the reply writer.
 *
 * Thread: worker. Owns this worker's connections to all targets. Which try is made, and which one
 * answers the client, is decided in retry-loop.ts.
 *
 * A body of up to 64 KiB is collected and sent as one buffer, so that it can be sent again; a
 * longer or unknown one streams, and the client is slowed down to the target's pace. A streamed
 * body is not touched before its connection stands.
 */
import { Readable } from 'node:stream';
import { defined } from '../../base/assert.js';
import { BODY_RECORD_BYTES_MAX, WINDOW_CREDIT_BYTES } from '../../channel/lane.js';
import type { CompiledConfig } from '../../config/compiled-config.js';
import type { Exchange } from '../exchange.js';
import type { ExchangeLedger } from '../exchange-ledger.js';
import type { ReplyWriter } from '../reply-writer.js';
import type { TargetPreference } from '../target-preference.js';
import { rewritePath } from '../worker-route.js';
import type { ReplyFieldBlock } from './reply-fields.js';
import { TargetConnections } from './target-connections.js';
import { type Admission, type TryListener, UpstreamTry } from './upstream-try.js';

/** Bodies up to this size can be sent again. */
const REPLAYABLE_BYTES_MAX = 64 * 1024;

export interface ForwarderParts {
  readonly replies: ReplyWriter;
  readonly preference: TargetPreference;
  readonly ledger: ExchangeLedger;
  nowMs(): number;
}

export class Forwarder {
  private readonly connections: TargetConnections;

  constructor(private readonly parts: ForwarderParts) {
    this.connections = new TargetConnections(() => parts.ledger.countConnect());
  }

  /** The targets of this configuration can be reached from now on. */
  use(config: CompiledConfig): void {
    this.connections.use(config);
  }

  /** No exchange asks for any other target any more. */
  keepOnly(targetIndexes: ReadonlySet<number>): void {
    this.connections.keepOnly(targetIndexes);
  }

  /** A small body must be complete before it is sent. */
  isReady(exchange: Exchange): boolean {
    return exchange.isRequestComplete || isStreamed(exchange);
  }

  takeBody(exchange: Exchange, chunk: Buffer, isLast: boolean): void {
    if (isLast) exchange.isRequestComplete = true;
    const stream = exchange.bodyStream;
    if (stream === null || !exchange.isBodyBegun) {
      if (chunk.length > 0) exchange.bodyChunks.push(chunk);
      return;
    }
    if (chunk.length > 0) this.pushBody(exchange, stream, chunk);
    if (isLast) stream.push(null);
  }

  /** A try with this admission, which is then its own to give back. */
  prepare(exchange: Exchange, admission: Admission, listener: TryListener): UpstreamTry {
    const connections = this.connections.of(admission.targetIndex);
    return new UpstreamTry(exchange, listener, connections, admission);
  }

  /** Sends the request. Every failure, at once or later, comes to the try's listener. */
  launch(attempt: UpstreamTry, isFresh: boolean): void {
    const { exchange, targetIndex } = attempt;
    const route = defined(exchange.route, 'the route of a try');
    const { trustedProxies } = defined(exchange.epoch, 'the epoch of a try');
    const { target } = this.connections.of(targetIndex);
    exchange.trace?.beginTry(attempt);
    attempt.send(
      {
        exchange,
        path: rewritePath(route, exchange.path) + exchange.query,
        authority: target.authority,
        isPeerTrusted: trustedProxies.includes(exchange.peer),
        body: this.bodyOf(exchange),
      },
      isFresh,
    );
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
    const stream = new Readable({ read: () => this.onBodyWanted(exchange, stream) });
    // Its end comes through the try; an error that nobody hears would end the thread.
    stream.on('error', () => {});
    exchange.bodyStream = stream;
    return stream;
  }

  /** undici reads only when the connection stands: up to then the body can go elsewhere. */
  private onBodyWanted(exchange: Exchange, stream: Readable): void {
    if (exchange.bodyStream !== stream) return;
    if (!exchange.isBodyBegun) {
      exchange.isBodyBegun = true;
      const chunks = exchange.bodyChunks;
      exchange.bodyChunks = [];
      for (const chunk of chunks) this.pushBody(exchange, stream, chunk);
      if (exchange.isRequestComplete) stream.push(null);
    }
    this.creditBody(exchange, 0, true);
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

  /** True: the reply is complete with its head. */
  deliverHead(exchange: Exchange, status: number, block: ReplyFieldBlock): boolean {
    exchange.status = status;
    exchange.replyFields = block.fields + this.parts.preference.cookieField(exchange);
    exchange.isReplyBodiless = status === 204 || status === 304 || exchange.method === 'HEAD';
    exchange.replyBodyBytes = status === 204 ? -1 : block.bodyBytes;
    exchange.activeMs = this.parts.nowMs();
    return this.parts.replies.onHead(exchange);
  }

  /** True: the reply is complete. Else isReplyPaused says whether the target is to wait. */
  deliverBody(exchange: Exchange, chunk: Buffer): boolean {
    if (this.parts.replies.onBody(exchange, chunk)) return true;
    exchange.activeMs = this.parts.nowMs();
    exchange.isReplyPaused = exchange.replyWindow < BODY_RECORD_BYTES_MAX;
    return false;
  }

  /** The target has said all. */
  deliverEnd(exchange: Exchange): void {
    this.parts.replies.onEnd(exchange);
  }

  /** The client has taken more of the reply. */
  onWindow(exchange: Exchange, bytes: number): void {
    exchange.replyWindow += bytes;
    exchange.activeMs = this.parts.nowMs();
    if (!exchange.isReplyPaused || exchange.replyWindow < BODY_RECORD_BYTES_MAX) return;
    exchange.isReplyPaused = false;
    exchange.currentTry?.resume();
  }

  /** The exchange is over: its body goes. */
  release(exchange: Exchange): void {
    exchange.bodyStream?.destroy();
    exchange.bodyStream = null;
    exchange.bodyChunks = [];
  }

  async close(): Promise<void> {
    await this.connections.close();
  }
}

/** Whether the whole body is at hand, and stays there. */
export function isBodyCollected(exchange: Exchange): boolean {
  return !isStreamed(exchange);
}

function isStreamed(exchange: Exchange): boolean {
  return exchange.bodyBytes < 0 || exchange.bodyBytes > REPLAYABLE_BYTES_MAX;
}
