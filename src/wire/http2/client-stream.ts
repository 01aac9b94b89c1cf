/**
 * One stream of a connection to a target: a request and its reply.
 *
 * Thread: any (pure). RFC 9113 8.1.
 */
import { Http2Stream } from './http2-stream.js';

export class ClientStream extends Http2Stream {
  /** The head of the reply has come. */
  hasHead = false;
  /** The reply has no body, whatever its fields say. */
  isBodiless: boolean;
  /** Heads before that of the reply. */
  interimCount = 0;
  /** The target has reset the stream, or said that it would not look at it. */
  isEndedByPeer = false;
  /** The target says that it did nothing with the request: it may be sent again (RFC 9113 8.7). */
  isUnprocessed = false;

  constructor(id: number, sendWindow: number, receiveWindow: number, isHeadMethod: boolean) {
    super(id, sendWindow, receiveWindow);
    this.isBodiless = isHeadMethod;
  }
}
