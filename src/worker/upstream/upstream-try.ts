/**
 * One try of one exchange at one target: turns the events of its connection into those of the
 * retry loop.
 *
 * Thread: worker. Owns its connection until the try has ended.
 *
 * Invariant: after the end (complete, error or abort) the listener gets no further call.
 */

import type { FieldBlock } from '../../base/field-block.js';
import type { ReplyFieldBlock } from '../../wire/http1/reply-fields.js';
import type { Admission } from '../exchange/admission-state.js';
import type { Exchange } from '../exchange/exchange.js';
import type { TryInFlight } from '../exchange/try-in-flight.js';
import { mayNameTarget, withClientNames } from './client-names.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamConnections,
  UpstreamRequest,
} from './upstream-transport.js';

/** Hears of a try. Heads and buffers are valid inside the call only. */
export interface TryListener {
  onHead(attempt: UpstreamTry, status: number, block: ReplyFieldBlock): void;
  /** `isLast`: onComplete follows at once. False: stop until resume(). */
  onBody(attempt: UpstreamTry, chunk: Buffer, isLast: boolean): boolean;
  /** A head before the one of the reply. */
  onInterim(attempt: UpstreamTry, status: number, fields: FieldBlock): void;
  onComplete(attempt: UpstreamTry, trailers: FieldBlock): void;
  onFailure(attempt: UpstreamTry, error: unknown): void;
}

/** The reason that a transport is given when we end a try. */
class TryAbortedError extends Error {
  readonly code = 'UND_ERR_ABORTED';
}

export class UpstreamTry implements TransportHandler, TryInFlight {
  readonly targetIndex: number;
  ticket: number;
  isSettled = false;
  /** Some byte of a reply came. */
  hasBegun = false;
  isSent = false;
  /** The connection had served others before: it may have been closed meanwhile. */
  isReused = false;
  headDeadlineMs = Number.POSITIVE_INFINITY;
  beganMs = 0;
  spanId = '';

  private connection: UpstreamConnection | null = null;
  private request: UpstreamRequest | null = null;
  private isDetached = false;
  private isReleased = false;
  /** It was given back once: a second time is a failure. */
  private wasUnsent = false;
  private abortNow: ((reason: Error) => void) | null = null;
  private resumeNow: (() => void) | null = null;

  constructor(
    readonly exchange: Exchange,
    private readonly listener: TryListener,
    private readonly connections: UpstreamConnections,
    { targetIndex, ticket }: Admission,
  ) {
    this.targetIndex = targetIndex;
    this.ticket = ticket;
  }

  /** Its reply comes in HTTP/2. */
  get isHttp2(): boolean {
    return this.connection?.isHttp2 === true;
  }

  get readBytesMax(): number {
    return this.exchange.reply.readBytesMax;
  }

  begin(nowMs: number, headDeadlineMs: number): void {
    this.beganMs = nowMs;
    this.headDeadlineMs = headDeadlineMs;
  }

  extend(headDeadlineMs: number): void {
    this.headDeadlineMs = headDeadlineMs;
  }

  giveUpTicket(): void {
    this.ticket = 0;
  }

  trySettle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    return true;
  }

  /**
   * Sends the request, `isFresh` over a connection that nobody can have closed yet. Every failure,
   * at once or later, comes as onFailure.
   */
  send(request: UpstreamRequest, isFresh: boolean): void {
    const { connections } = this;
    const forTunnel = request.tunnelKey !== '';
    const connection = isFresh ? connections.acquireFresh(forTunnel) : connections.acquire();
    this.request = request;
    this.connection = connection;
    connection.send(request, this);
  }

  abort(): void {
    this.isDetached = true;
    const { abortNow } = this;
    this.abortNow = null;
    if (abortNow === null) this.connection?.withdraw?.();
    else abortNow(new TryAbortedError('the exchange is over'));
  }

  detach(): void {
    this.isDetached = true;
  }

  resume(): void {
    this.resumeNow?.();
  }

  onConnect(abort: (reason?: Error) => void): void {
    // Thrown here, a request that is not wanted any more fails without its idle socket.
    if (this.isDetached) throw new TryAbortedError('the exchange is over');
    this.abortNow = abort;
    this.isSent = true;
    this.isReused = this.connection !== null && this.connection.served > 0;
  }

  onResponseStarted(): void {
    this.hasBegun = true;
  }

  onReplyHead(status: number, block: ReplyFieldBlock, resume: () => void): void {
    this.hasBegun = true;
    this.resumeNow = resume;
    const { request } = this;
    if (request !== null && mayNameTarget(status, request)) {
      block.fields = withClientNames(block.fields, request);
    }
    if (!this.isDetached) this.listener.onHead(this, status, block);
  }

  onReplyData(chunk: Buffer, isLast: boolean): boolean {
    return this.isDetached || this.listener.onBody(this, chunk, isLast);
  }

  onReplyInterim(status: number, fields: FieldBlock): void {
    if (!this.isDetached) this.listener.onInterim(this, status, fields);
  }

  onComplete(trailers: FieldBlock): void {
    this.release();
    if (this.isDetached) return;
    this.isDetached = true;
    this.listener.onComplete(this, trailers);
  }

  onError(error: Error): void {
    this.release();
    if (this.isDetached) return;
    this.isDetached = true;
    this.listener.onFailure(this, error);
  }

  onUnsent(error: Error): void {
    const { connection, request } = this;
    if (connection === null || request === null || this.isDetached) {
      this.release();
      return;
    }
    this.isSent = false;
    this.abortNow = null;
    if (this.wasUnsent) {
      this.onError(error);
      return;
    }
    this.wasUnsent = true;
    this.connections.release(connection);
    this.send(request, true);
  }

  private release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    this.abortNow = null;
    this.resumeNow = null;
    this.request = null;
    if (this.connection !== null) this.connections.release(this.connection);
  }
}
