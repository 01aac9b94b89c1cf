/**
 * Hands requests to targets, and replies to the reply writer.
 *
 * Thread: worker. Owns this worker's connections to all targets. Which try is made, and which one
 * answers the client, is decided in retry-loop.ts.
 */

import { defined } from '../../base/assert.js';
import { joinFields, NO_FIELDS } from '../../base/field-block.js';
import type { BodyBlocks } from '../../channel/body-blocks.js';
import type { CompiledConfig } from '../../config/compiled-config.js';
import type { TargetPreference } from '../admission/target-preference.js';
import type { Admission } from '../exchange/admission-state.js';
import type { Exchange } from '../exchange/exchange.js';
import type { ReplyFieldBlock } from '../exchange/reply-state.js';
import type { ExchangeMetrics } from '../exchange-metrics.js';
import type { ReplyFilters } from '../reply/reply-filters.js';
import type { ReplyWriter } from '../reply/reply-writer.js';
import { rewritePath } from '../worker-route.js';
import { ReadMemory } from './read-memory.js';
import { TargetConnections } from './target-connections.js';
import type { ConnectTarget, UndiciTransport } from './upstream-connections.js';
import { READ_BYTES_MAX, type UpstreamRequest } from './upstream-transport.js';
import { type TryListener, UpstreamTry } from './upstream-try.js';

export interface ForwarderParts {
  /** Where long replies are read into. */
  readonly blocks: BodyBlocks;
  readonly connect: ConnectTarget;
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
    const connectionParts = {
      memory: new ReadMemory(parts.blocks),
      nowMs: parts.nowMs,
      onConnected: () => parts.ledger.countConnect(),
    };
    this.connections = new TargetConnections(connectionParts, parts.connect);
  }

  /** The targets of this configuration can be reached from now on. */
  adopt({ config, undici }: ReachableTargets): void {
    this.connections.adopt(config, undici);
  }

  /** No exchange asks for any other target any more. */
  keepOnly(targetIndexes: ReadonlySet<number>): void {
    this.connections.keepOnly(targetIndexes);
  }

  /** More than a window's worth may be collected: the client must be let go on. */
  creditCollected(exchange: Exchange): void {
    const { uncredited } = exchange.upload;
    if (uncredited > 0) this.parts.replies.giveWindow(exchange, uncredited);
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
    const { head, trace } = exchange;
    if (trace !== null) attempt.spanId = trace.beginTry(head.fields);
    attempt.send(
      {
        exchange,
        path: exchange.rewrittenTarget || rewritePath(route, head.path) + head.query,
        authority: this.connections.authorityOf(targetIndex),
        isPeerTrusted: trustedProxies.includes(exchange.head.peer),
        body: this.bodyOf(exchange),
      },
      isFresh,
    );
  }

  private bodyOf(exchange: Exchange): UpstreamRequest['body'] {
    const { upload } = exchange;
    if (upload.bodyBytes === 0) return null;
    if (upload.isCollected) return upload.collected();
    return upload.streamed((bytes) => this.parts.replies.giveWindow(exchange, bytes));
  }

  /** True: the reply is complete with its head. */
  deliverHead(exchange: Exchange, status: number, block: ReplyFieldBlock): boolean {
    const { reply, head } = exchange;
    reply.onHead(status, block, head.method === 'HEAD', this.parts.nowMs());
    const cookieField = this.parts.preference.cookieField(exchange);
    if (cookieField !== NO_FIELDS) reply.edit(joinFields(block.fields, cookieField));
    const filters = exchange.route?.filters;
    if (filters === undefined || filters.replySteps.length === 0) {
      if (filters?.replyBody == null) return this.parts.replies.onHead(exchange);
    }
    return this.parts.replyFilters.onHead(exchange);
  }

  /** True: the reply is complete. Else `reply.isPaused` says whether the target is to wait. */
  deliverBody(exchange: Exchange, chunk: Buffer): boolean {
    const { reply } = exchange;
    if (reply.collector !== null) return this.parts.replyFilters.onBody(exchange, chunk);
    if (this.parts.replies.onBody(exchange, chunk)) return true;
    reply.onMoved(this.parts.nowMs());
    if (reply.window < READ_BYTES_MAX) {
      reply.pause();
    } else if (this.parts.replies.isBehind) {
      reply.pause();
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
    if (exchange.reply.collector !== null) this.parts.replyFilters.onEnd(exchange);
    else this.parts.replies.onEnd(exchange);
  }

  /** The client has taken more of the reply. */
  onWindow(exchange: Exchange, bytes: number): void {
    const { reply } = exchange;
    reply.giveWindow(bytes);
    reply.onMoved(this.parts.nowMs());
    if (!reply.isPaused || reply.window < READ_BYTES_MAX) return;
    reply.resume();
    exchange.tries.current?.resume();
  }

  async close(): Promise<void> {
    await this.connections.close();
  }
}
