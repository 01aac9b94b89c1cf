/**
 * What went wrong with a request over HTTP/2.
 *
 * Thread: worker. The codes are those of the other transports, so that one table serves all.
 */
type Http2ErrorCode =
  | 'UND_ERR_SOCKET'
  | 'UND_ERR_CONNECT_TIMEOUT'
  | 'HPE_INVALID_REPLY'
  | 'HPE_HEADER_OVERFLOW'
  /** The request opens a tunnel, and the target allows none. */
  | 'HTTP2_NO_CONNECT';

export class Http2Error extends Error {
  constructor(
    readonly code: Http2ErrorCode,
    message: string,
    /** Of the target's RST_STREAM or GOAWAY (RFC 9113 7); -1: it sent none. */
    readonly resetCode: number = -1,
  ) {
    super(message);
  }
}

/** The connection went away, or is of no use any more. */
export function connectionLost(message: string): Http2Error {
  return new Http2Error('UND_ERR_SOCKET', message);
}

/** The target has said so itself, by RST_STREAM or GOAWAY. */
export function endedByTarget(reason: string, code: number): Http2Error {
  return new Http2Error('UND_ERR_SOCKET', reason, code);
}

/** The code with which the target has ended the stream of a try; -1: it was not the target. */
export function resetCodeOf(error: unknown): number {
  return error instanceof Http2Error ? error.resetCode : -1;
}
