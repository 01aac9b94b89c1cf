/**
 * What a client gets in place of a reply that its target has begun and that is of no use to it.
 *
 * Thread: worker. Owns nothing. Each ends the try, if it is still in flight.
 */
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import type { LocalReply } from '../../filters/local-reply.js';
import type { ReplyFieldBlock } from '../../wire/http1/reply-fields.js';
import type { ReplyCache } from '../cache/reply-cache.js';
import { type Exchange, upstreamOf } from '../exchange/exchange.js';
import type { GrpcCall } from '../exchange/grpc-call.js';
import { foreignReply, outcomeOfForeign } from './call-outcome.js';
import { outcomeOfStatus } from './outcome-class.js';
import type { TrySettler } from './try-settler.js';

export interface OtherRepliesParts {
  readonly cache: Pick<ReplyCache, 'onHead' | 'serveOnError'>;
  onFailed(exchange: Exchange, problem: ProblemKind): void;
  onReply(exchange: Exchange, reply: LocalReply): void;
  onAsideDone(exchange: Exchange): void;
}

export class OtherReplies {
  constructor(
    private readonly parts: OtherRepliesParts,
    private readonly settler: Pick<TrySettler, 'end'>,
  ) {}

  /**
   * Whether a stored reply goes out, at once or when the target's has ended; or none at all, as no
   * client waits.
   */
  isFromMemory(exchange: Exchange, status: number, block: ReplyFieldBlock): boolean {
    const verdict = this.parts.cache.onHead(exchange, status, block);
    if (exchange.isAside) {
      if (exchange.caching?.isFetching !== true) this.endAside(exchange, status);
      return true;
    }
    if (verdict !== 'instead') return verdict === 'validated';
    this.end(exchange, outcomeOfStatus(status, upstreamOf(exchange)));
    this.parts.cache.serveOnError(exchange);
    return true;
  }

  /** There is nothing in the reply that could be stored. */
  private endAside(exchange: Exchange, status: number): void {
    this.end(exchange, outcomeOfStatus(status, upstreamOf(exchange)));
    this.parts.onAsideDone(exchange);
  }

  /** The target has not answered in gRPC: its client gets what that means, and nothing of it. */
  ofForeign(exchange: Exchange, grpc: Readonly<GrpcCall>, status: number): void {
    this.end(exchange, outcomeOfForeign(status, upstreamOf(exchange)));
    this.parts.onReply(exchange, foreignReply(grpc, status));
  }

  /**
   * The target took a handshake for an ordinary request: it knows no WebSockets there. Its client
   * can make nothing of the reply, and whoever runs both is told why. The target is well.
   */
  ofNoTunnel(exchange: Exchange, status: number): void {
    const { tunnelNotTaken } = PROBLEMS;
    exchange.tries.onFailed(tunnelNotTaken, `${status} in answer to a WebSocket handshake`);
    this.end(exchange, outcomeOfStatus(status, upstreamOf(exchange)));
    this.parts.onFailed(exchange, tunnelNotTaken);
  }

  private end(exchange: Exchange, outcome: number): void {
    const { current } = exchange.tries;
    if (current !== null) this.settler.end(exchange, current, outcome);
  }
}
