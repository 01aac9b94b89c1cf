/**
 * What a route demands of a request, as the route table takes it.
 *
 * Thread: any (pure). Plain data, so that it can be cloned to threads.
 */
/** A condition on a header field, a query parameter, a cookie, or the listener. */
export interface MatchCondition {
  readonly source: 'header' | 'query' | 'cookie' | 'listener';
  /** A header field in lower case; other names as they are written; empty for the listener. */
  readonly name: string;
  /** `pattern` is a regular expression for the whole value. */
  readonly test: 'present' | 'absent' | 'exact' | 'prefix' | 'pattern' | 'oneOf';
  /** Empty for `present` and `absent`; for `oneOf` values with line feeds between them. */
  readonly value: string;
  /** No value may meet the test. Absent: one has to. */
  readonly isNot?: true;
}

export interface RoutePattern {
  /** The result of a lookup: never negative. */
  readonly index: number;
  /** A pattern of routing/path-pattern.ts; empty: `expression` is used. */
  readonly path: string;
  /** A regular expression for the whole path, in place of `path`. */
  readonly expression?: string;
  /** Upper case, as `takesMethod()` reads them; empty: HTTP_METHODS. */
  readonly methods: readonly string[];
  /** The version that a request must ask for; absent or empty: any. */
  readonly version?: string;
  /**
   * True: the route keeps somebody out. Its path belongs to it in all methods, with and without a
   * slash at the end.
   */
  readonly isGuarded?: boolean;
  /** Names in lower case and ASCII, or `*.` and a name; absent or empty: every host. */
  readonly hosts?: readonly string[];
  /** All conditions must hold; absent: no conditions. */
  readonly conditions?: readonly MatchCondition[];
  /** Among routes with the same host and path the highest priority comes first. Absent: 0. */
  readonly priority?: number;
}

/** The part of a request that conditions read. */
export interface RoutedRequest {
  /** As the client wrote it. */
  readonly host: string;
  /** Every value that the request has under this name. */
  valuesOf(source: MatchCondition['source'], name: string): readonly string[];
}
