/**
 * What a connection with HTTP/1.1 is in the middle of.
 *
 * Thread: acceptor.
 *
 *     HEAD ──► BODY ──► WAIT ──► HEAD … ──► CLOSING ──► GONE
 *       └──────────────► WAIT ──► TUNNEL ──────────────► GONE
 *       └──► SKIP (what follows a mistake) ──► CLOSING ─► GONE
 */

/** Between requests, or in the middle of a head. */
export const HEAD = 0;
/** The head was read, and its body comes. */
export const BODY = 1;
/** The request is complete; its reply is not. */
export const WAIT = 2;
/** What comes cannot be read as requests: it is thrown away, and the exchange counts it. */
export const SKIP = 3;
/** The replies are written. What comes is thrown away until the client closes its side too. */
export const CLOSING = 4;
export const TUNNEL = 5;
export const GONE = 6;
export type ConnectionState =
  | typeof HEAD
  | typeof BODY
  | typeof WAIT
  | typeof SKIP
  | typeof CLOSING
  | typeof TUNNEL
  | typeof GONE;

/** A deadline that does not come. */
export const NEVER = Number.POSITIVE_INFINITY;

/** A connection that the gateway has closed waits this long for its client to close it too. */
export const CLOSING_MS = 2000;
/** And reads at most this much of what comes meanwhile. */
export const CLOSING_BYTES_MAX = 256 * 1024;
