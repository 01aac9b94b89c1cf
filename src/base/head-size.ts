/**
 * How many bytes of a request's head are neither method nor target, name nor value.
 *
 * Thread: any (pure). Limits of heads count in the form of HTTP/1.1 (RFC 9112 3 and 5), whatever
 * the protocol: a limit means the same for every client.
 */

/** Of a request line: two spaces, the version, CRLF. */
export const REQUEST_LINE_BYTES = 12;

/** Of a field: a colon, a space, CRLF. */
export const FIELD_LINE_BYTES = 4;
