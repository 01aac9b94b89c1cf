/**
 * What a way to a target is, whatever it is made of.
 *
 * Thread: worker. A connection, or a place on one of HTTP/2, takes one request at a time. It tells
 * its handler what comes of it, in this order: onConnect when the request is about to be written,
 * onResponseStarted at the first byte of a reply, the head, pieces of the body, and then exactly
 * one of onComplete and onError. Only onUnsent ends it otherwise.
 *
 * A tunnel that was asked for is open with a head whose status is 101, whatever the protocol says;
 * its pieces go both ways from there on. A last one ends the way down, the end of the request's
 * body the way up, and onComplete comes when both have ended.
 */

import type { FieldBlock } from '../../base/field-block.js';
import type { CompiledTarget } from '../../config/compiled-config.js';
import type { ReplyFieldBlock } from '../../wire/http1/reply-fields.js';
import type { Exchange } from '../exchange/exchange.js';
import type { StreamedBody } from '../exchange/streamed-body.js';

/** What a target is called. */
export type NamedTarget = Pick<CompiledTarget, 'authority' | 'tls'>;

/** One request as it goes to a target. */
export interface UpstreamRequest {
  readonly exchange: Exchange;
  /** With the query. */
  readonly path: string;
  /** Value of the Host field. */
  readonly authority: string;
  /** The target, which decides what it is called in what it sends. */
  readonly target: NamedTarget;
  /** Host has the target's own name, and not the one that the client knows. */
  readonly hidesHost: boolean;
  readonly isPeerTrusted: boolean;
  /** The gateway names itself in Via. */
  readonly addsVia: boolean;
  readonly body: Buffer | StreamedBody | null;
  /**
   * Not '': the request opens a tunnel for a WebSocket, with this Sec-WebSocket-Key where the
   * target is asked by Upgrade. The body is what goes up, and flows only once the tunnel is open.
   */
  readonly tunnelKey: string;
}

/** Hears of one request. Buffers and heads are valid inside the call only. */
export interface TransportHandler {
  /** Of a long body no more is to be read at once; absent: as much as there is memory for. */
  readonly readBytesMax?: number;
  /** May throw: then the request is not written, and the connection stays as it is. */
  onConnect(abort: (reason?: Error) => void): void;
  onResponseStarted(): void;
  /** Any number of times before the head. */
  onReplyInterim(status: number, fields: FieldBlock): void;
  onReplyHead(status: number, block: ReplyFieldBlock, resume: () => void): void;
  /** `isLast`: the body ends with it. False: stop until resume(). */
  onReplyData(chunk: Buffer, isLast: boolean): boolean;
  /** `trailers`: what of them goes on. */
  onComplete(trailers: FieldBlock): void;
  onError(error: Error): void;
  /**
   * Nothing was done with the request: its connection went away while the request still waited for
   * it, or the target says so. `error`: what has become of it if it is not sent again.
   */
  onUnsent(error: Error): void;
}

/** One connection slot, used for one exchange at a time. */
export interface UpstreamConnection {
  /** Exchanges on the socket that is open now. */
  served: number;
  isBusy: boolean;
  /** Replies come in HTTP/2, and not in HTTP/1.1. */
  readonly isHttp2?: boolean;
  send(request: UpstreamRequest, handler: TransportHandler): void;
  /** The request is not wanted any more, and was not sent: the handler hears of it by onError. */
  withdraw?(): void;
}

/** The connections to one target. Who takes one gives it back once. */
export interface UpstreamConnections {
  /** Idle connections, for tests and figures. */
  readonly idleCount: number;
  /** Takes the connection that was used last, or a new one. */
  acquire(): UpstreamConnection;
  /**
   * Takes a connection that has no socket yet: nobody can have closed it. `forTunnel`: its request
   * opens a tunnel.
   */
  acquireFresh(forTunnel: boolean): UpstreamConnection;
  /** Gives a connection of these back, whatever became of its socket. */
  release(connection: UpstreamConnection): void;
  /** Closes all idle connections; those in use end with their exchange. */
  close(): Promise<void>;
}
