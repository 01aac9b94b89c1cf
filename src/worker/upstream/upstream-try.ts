/**
 * One try of one exchange at one target: what either transport tells, as the pipeline hears it.
 *
 * Thread: worker. Owns its connection until the try has ended. undici's legacy handler is used
 * since it gives the raw header buffers without a detour; a move to another one stays in this file.
 *
 * Invariant: after the end (complete, error or abort) the listener hears nothing more.
 */
import type { Exchange } from '../exchange.js';
import { buildReplyFields, type ReplyFieldBlock } from './reply-fields.js';
import type { UpstreamConnections } from './upstream-connections.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamRequest,
} from './upstream-transport.js';

/** What the pipeline hears of a try. Heads and buffers are valid inside the call only. */
export interface TryListener {
  onHead(exchange: Exchange, status: number, block: ReplyFieldBlock): void;
  /** False: stop until resume(). */
  onBody(exchange: Exchange, chunk: Buffer): boolean;
  onComplete(exchange: Exchange): void;
  onFailure(exchange: Exchange, error: unknown, hasBegun: boolean): void;
}

/** The reason that undici is given when we end a try. */
class TryAbortedError extends Error {
  readonly code = 'UND_ERR_ABORTED';
}

export class UpstreamTry implements TransportHandler {
  /** Some byte of a reply came. */
  hasBegun = false;
  /** The connection had served others before: it may have been closed meanwhile. */
  isReused: boolean;

  private isDetached = false;
  private isReleased = false;
  private request: UpstreamRequest | null = null;
  private abortNow: ((reason: Error) => void) | null = null;
  private resumeNow: (() => void) | null = null;

  constructor(
    private readonly exchange: Exchange,
    private readonly listener: TryListener,
    private readonly connections: UpstreamConnections,
    private connection: UpstreamConnection,
  ) {
    this.isReused = connection.served > 0;
  }

  /** Sends the request. Every failure, at once or later, comes as onFailure. */
  send(request: UpstreamRequest): void {
    this.request = request;
    this.connection.send(request, this);
  }

  /** Ends the try; the listener hears nothing more of it. */
  abort(): void {
    this.isDetached = true;
    const { abortNow } = this;
    this.abortNow = null;
    abortNow?.(new TryAbortedError('the exchange is over'));
  }

  /** Forgets the exchange but lets the rest of the reply come in, so that the socket is kept. */
  detach(): void {
    this.isDetached = true;
  }

  /** Takes the body up again after onBody has returned false. */
  resume(): void {
    this.resumeNow?.();
  }

  onConnect(abort: (reason?: Error) => void): void {
    // Thrown here, a request that is not wanted any more fails without its idle socket.
    if (this.isDetached) throw new TryAbortedError('the exchange is over');
    this.abortNow = abort;
  }

  onResponseStarted(): void {
    this.hasBegun = true;
  }

  onHeaders(status: number, rawFields: Buffer[], resume: () => void): boolean {
    // Interim replies end here: the listener cannot send them.
    if (status < 200) return true;
    this.onReplyHead(status, buildReplyFields(rawFields), resume);
    return true;
  }

  onReplyHead(status: number, block: ReplyFieldBlock, resume: () => void): void {
    this.hasBegun = true;
    this.resumeNow = resume;
    if (!this.isDetached) this.listener.onHead(this.exchange, status, block);
  }

  onData(chunk: Buffer): boolean {
    return this.isDetached || this.listener.onBody(this.exchange, chunk);
  }

  onComplete(): void {
    this.release();
    if (this.isDetached) return;
    this.isDetached = true;
    this.listener.onComplete(this.exchange);
  }

  onError(error: Error): void {
    this.release();
    if (this.isDetached) return;
    this.isDetached = true;
    this.listener.onFailure(this.exchange, error, this.hasBegun);
  }

  onUnsent(): void {
    const { request } = this;
    if (request === null || this.isDetached) {
      this.release();
      return;
    }
    this.connections.release(this.connection);
    this.connection = this.connections.acquireFresh(request.body);
    this.isReused = false;
    this.send(request);
  }

  private release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    this.abortNow = null;
    this.resumeNow = null;
    this.connections.release(this.connection);
  }
}
