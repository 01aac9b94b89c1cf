/**
 * What the owner of a listener lets requests be.
 *
 * Thread: any (pure). The rules of a parser may be replaced between two requests.
 */

export interface RequestRules {
  /** Bytes of a head, without the empty line that ends it. */
  readonly headerBytes: number;
  /** Fields of a head. */
  readonly headerFields: number;
  /** The largest Content-Length. */
  readonly bodyBytes: number;
  /** Whether GET and HEAD requests may have bodies. */
  readonly bodyOnGet: boolean;
  /**
   * What is done with a field whose name has an underscore. Behind CGI and WSGI `X_User` and
   * `X-User` are one variable: a client could write the first where the gateway sets the second.
   */
  readonly underscores: 'forward' | 'drop' | 'refuse';
  /** What is done with characters of a target that no URI has: `"<>\^{|}`, backtick, non-ASCII. */
  readonly rawCharacters: 'encode' | 'refuse';
}

/** Empty lines before a request (RFC 9112 2.2); a client that sends more is refused. */
export const EMPTY_LINES_MAX = 4;
