/**
 * What a client's connection tells its owner.
 *
 * Thread: any (pure).
 */
import type { Http2RequestHead } from './request-fields.js';
import type { ServerStream } from './server-stream.js';
import type { StreamHandler } from './stream-handler.js';

export interface ServerHandler extends StreamHandler<ServerStream> {
  /** A request. `stream.isRemoteClosed`: it has no body. */
  onHead(stream: ServerStream, head: Http2RequestHead): void;
  /**
   * A request was malformed: its stream was reset, and there is no onHead(). `method` and `path`
   * as they came, '' where they did not; `reason`: for the log.
   */
  onMalformed(method: string, path: string, reason: string): void;
}
