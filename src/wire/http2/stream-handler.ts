/**
 * What a connection tells its owner, whichever side it is.
 *
 * Thread: any (pure).
 */
import type { FieldBlock } from '../../base/field-block.js';
import type { Http2Stream } from './http2-stream.js';

export interface StreamHandler<S extends Http2Stream> {
  /**
   * A part of the body, a place in the bytes of this read; to be credited when it is used.
   * `isLast`: the body ends with it, and onEnd() follows at once.
   */
  onData(stream: S, bytes: Buffer, isLast: boolean): void;
  /** The body has ended. */
  onEnd(stream: S, trailers: FieldBlock): void;
  /** The stream is gone: reset by the other side, or for a mistake. Nothing more may be sent. */
  onReset(stream: S, code: number, reason: string): void;
  /** A stream was reset for a mistake of the other side, or refused: in words for counters. */
  onMistake(reason: string): void;
  /** sendData() took less than it was given, and would take more now. */
  onWindow(stream: S): void;
  /** The connection is over: `code` was sent in a GOAWAY, or came in one. Output remains. */
  onClose(code: number, reason: string): void;
}
