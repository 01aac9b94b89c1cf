/**
 * One stream of a client's connection: a request and its reply.
 *
 * Thread: any (pure). RFC 9113 8.1.
 */
import { Http2Stream } from './http2-stream.js';

export class ServerStream extends Http2Stream {
  /** The head of the reply was sent. */
  hasHead = false;
}
