/**
 * Hands requests to targets, and replies to the reply writer.
 *
 * Thread: worker. Owns this worker's connections to all targets. Which try is made, and which one
 * answers the client, is decided in retry-loop.ts.
 *
 * A body of up to 64 KiB is collected and sent as one buffer, so that it can be sent again; a
 * longer or unknown one streams.
 */

import { defined } from '../../base/assert.js';
import { copyOfBytes } from '../../base/copy-bytes.js';
import { joinFields } from '../../base/field-block.js';
import type { BodyBlocks } from '../../channel/body-blocks.js';
import type { CompiledConfig } from '../../config/compiled-config.js';
import type { TargetPreference } from '../admission/target-preference.js';
import type { Exchange } from '../exchange.js';
import type { ExchangeMetrics } from '../exchange-metrics.js';
import type { ReplyFilters } from '../reply/reply-filters.js';
import type { ReplyWriter } from '../reply/reply-writer.js';
import { rewritePath } from '../worker-route.js';
import { ReadMemory } from './read-memory.js';
import type { ReplyFieldBlock } from './reply-fields.js';
import { StreamedBody } from './streamed-body.js';
import { TargetConnections } from './target-connections.js';
import type { UndiciTransport } from './upstream-connections.js';
import { READ_BYTES_MAX, type UpstreamRequest } from './upstream-transport.js';
import { type Admission, type TryListener, UpstreamTry } from './upstream-try.js';

/** Bodies up to this size can be sent again. */
const REPLAYABLE_BYTES_MAX = 64 * 1024;

export interface ForwarderParts {
  /** Where long replies are read into. */
  readonly blocks: BodyBlocks;
  readonly replies: ReplyWriter;
  readonly replyFilters: ReplyFilters;
  readonly preference: TargetPreference;
  readonly ledger: ExchangeMetrics;
  nowMs(): number;
}

/** A configuration, and what it takes to reach its targets. */
export interface ReachableTargets {
  readonly config: CompiledConfig;
  /** Null when no target needs it. */
  readonly undici: UndiciTransport | null;
}

export class Forwarder {
  private readonly connections: TargetConnections;
  /** Their targets wait until the lane has room. */
  private readonly behind: Exchange[] = [];

  constructor(private readonly parts: ForwarderParts) {
    this.connections = new TargetConnections({
      memory: new ReadMemory(parts.blocks),
      nowMs: parts.nowMs,
      onConnected: () => parts.ledger.countConnect(),
    });
  }

  /** The targets of this configuration can be reached from now on. */
  adopt({ config, undici }: ReachableTargets): void {
    this.connections.adopt(config, undici);
  }

  /** No exchange asks for any other target any more. */
  keepOnly(targetIndexes: ReadonlySet<number>): void {
    this.connections.keepOnly(targetIndexes);
  }

  /** A small body must be complete before it is sent. */
  isReady(exchange: Exchange): boolean {
    return exchange.isRequestComplete || isStreamed(exchange);
  }

  /** More than a window's worth may be collected: the client must be let go on. */
  creditCollected(exchange: Exchange): void {
    const bytes = exchange.bodyReceived - exchange.bodyCredited;
    if (bytes > 0) this.parts.replies.giveWindow(exchange, bytes);
  }

  /** More of the request body. The bytes are valid inside the call only. */
  takeBody(exchange: Exchange, bytes: Uint8Array, isLast: boolean): void {
    if (isLast) exchange.isRequestComplete = true;
    exchange.bodyReceived += bytes.length;
    const { streamedBody } = exchange;
    if (streamedBody === null) {
      if (bytes.length > 0) exchange.bodyChunks.push(copyOfBytes(bytes));
      return;
    }
    exchange.activeMs = this.parts.nowMs();
    streamedBody.push(bytes);
    if (isLast) streamedBody.end();
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
    exchange.trace?.beginTry(attempt);
    attempt.send(
      {
        exchange,
        path: exchange.rewrittenTarget || rewritePath(route, exchange.path) + exchange.query,
        authority: this.connections.authorityOf(targetIndex),
        isPeerTrusted: trustedProxies.includes(exchange.peer),
        body: this.bodyOf(exchange),
      },
      isFresh,
    );
  }

  private bodyOf(exchange: Exchange): UpstreamRequest['body'] {
    if (exchange.bodyBytes === 0) return null;
    if (isStreamed(exchange)) return this.streamedBodyOf(exchange);
    const [only] = exchange.bodyChunks;
    if (exchange.bodyChunks.length === 1 && only !== undefined) return only;
    const whole = Buffer.concat(exchange.bodyChunks);
    exchange.bodyChunks = [whole];
    return whole;
  }

  /** One for all tries: as long as no connection stood, all of it is there. */
  private streamedBodyOf(exchange: Exchange): StreamedBody {
    if (exchange.streamedBody !== null) return exchange.streamedBody;
    const body = new StreamedBody(exchange.bodyBytes, (bytes) =>
      this.parts.replies.giveWindow(exchange, bytes),
    );
    for (const chunk of exchange.bodyChunks) body.push(chunk);
    exchange.bodyChunks = [];
    if (exchange.isRequestComplete) body.end();
    exchange.streamedBody = body;
    return body;
  }

  /** True: the reply is complete with its head. */
  deliverHead(exchange: Exchange, status: number, block: ReplyFieldBlock): boolean {
    exchange.status = status;
    exchange.replyFields = joinFields(block.fields, this.parts.preference.cookieField(exchange));
    exchange.isReplyBodiless = status === 204 || status === 304 || exchange.method === 'HEAD';
    exchange.replyBodyBytes = status === 204 ? -1 : block.bodyBytes;
    exchange.activeMs = this.parts.nowMs();
    exchange.headMs = exchange.activeMs;
    const filters = exchange.route?.filters;
    if (filters === undefined || filters.replySteps.length === 0) {
      if (filters?.replyBody == null) return this.parts.replies.onHead(exchange);
    }
    return this.parts.replyFilters.onHead(exchange);
  }

  /** True: the reply is complete. Else isReplyPaused says whether the target is to wait. */
  deliverBody(exchange: Exchange, chunk: Buffer): boolean {
    if (exchange.replyCollector !== null) return this.parts.replyFilters.onBody(exchange, chunk);
    if (this.parts.replies.onBody(exchange, chunk)) return true;
    exchange.activeMs = this.parts.nowMs();
    exchange.isReplyPaused = exchange.replyWindow < READ_BYTES_MAX;
    if (!exchange.isReplyPaused && this.parts.replies.isBehind) {
      exchange.isReplyPaused = true;
      this.behind.push(exchange);
    }
    return false;
  }

  /** The lane has room again: what waited for that goes on, if the client's window lets it. */
  onLaneRoom(): void {
    if (this.behind.length === 0) return;
    for (const exchange of this.behind.splice(0)) this.onWindow(exchange, 0);
  }

  /** The target has said all. */
  deliverEnd(exchange: Exchange): void {
    if (exchange.replyCollector !== null) this.parts.replyFilters.onEnd(exchange);
    else this.parts.replies.onEnd(exchange);
  }

  /** The client has taken more of the reply. */
  onWindow(exchange: Exchange, bytes: number): void {
    exchange.replyWindow += bytes;
    exchange.activeMs = this.parts.nowMs();
    if (!exchange.isReplyPaused || exchange.replyWindow < READ_BYTES_MAX) return;
    exchange.isReplyPaused = false;
    exchange.currentTry?.resume();
  }

  /** The exchange is over: its body goes. */
  release(exchange: Exchange): void {
    exchange.streamedBody?.drop();
    exchange.streamedBody = null;
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
  if (exchange.isBodyFiltered) return false;
  return exchange.bodyBytes < 0 || exchange.bodyBytes > REPLAYABLE_BYTES_MAX;
}
