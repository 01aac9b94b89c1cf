/**
 * What a client's connection tells its owner.
 *
 * Thread: any (pure).
 */
import type { FieldBlock } from '../../base/field-block.js';
import type { Http2RequestHead } from './request-fields.js';
import type { ServerStream } from './server-stream.js';

export interface ServerHandler {
  /** A request. `stream.isRemoteClosed`: it has no body. */
  onHead(stream: ServerStream, head: Http2RequestHead): void;
  /** A part of the body, a place in the bytes of this read; to be credited when it is used. */
  onData(stream: ServerStream, bytes: Buffer): void;
  /** The body has ended. */
  onEnd(stream: ServerStream, trailers: FieldBlock): void;
  /** The stream is gone: by the client, or for a mistake of it. Nothing may be sent any more. */
  onReset(stream: ServerStream, code: number, reason: string): void;
  /** A stream was reset for a mistake of the client, or refused: in words for counters. */
  onMistake(reason: string): void;
  /** sendData() took less than it was given, and would take more now. */
  onWindow(stream: ServerStream): void;
  /** The connection is over: `code` was sent in a GOAWAY, or came in one. Output remains. */
  onClose(code: number, reason: string): void;
}
