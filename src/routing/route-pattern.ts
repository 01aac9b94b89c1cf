/**
 * What a route asks of a request, as the route table takes it.
 *
 * Thread: any (pure). Plain data: it crosses threads.
 */
import { HTTP_METHODS } from '../base/http-method.js';

/** One thing that a field, a query parameter or a cookie must be. */
export interface MatchCondition {
  readonly source: 'header' | 'query' | 'cookie';
  /** Of a header field in lower case; the others as they are written. */
  readonly name: string;
  /** `pattern` is a regular expression for the whole value. */
  readonly test: 'present' | 'absent' | 'exact' | 'prefix' | 'pattern';
  /** Empty for `present` and `absent`. */
  readonly value: string;
}

export interface RoutePattern {
  /** What a lookup gives back: never negative. */
  readonly index: number;
  /** As routing/path-pattern.ts reads it; empty: there is `expression`. */
  readonly path: string;
  /** A regular expression for the whole path, in place of `path`. */
  readonly expression?: string;
  /** Upper case; empty: every method. HEAD goes where GET goes. */
  readonly methods: readonly string[];
  /** The version that a request must ask for; absent or empty: any. */
  readonly version?: string;
  /** It keeps somebody out, so that its path belongs to it in all methods, and with a slash. */
  readonly isGuarded?: boolean;
  /** Names in lower case and ASCII, or `*.` and a name; absent or empty: every host. */
  readonly hosts?: readonly string[];
  /** All of them are to hold; absent: none. */
  readonly conditions?: readonly MatchCondition[];
  /** Of routes with one host and path the higher one comes first. Absent: 0. */
  readonly priority?: number;
}

/** The part of a request that conditions look at. */
export interface RoutedRequest {
  /** As the client wrote it. */
  readonly host: string;
  /** Every value that the request has under this name. */
  valuesOf(source: MatchCondition['source'], name: string): readonly string[];
}

/** Methods that a route takes: GET brings HEAD. */
export function effectiveMethods(methods: readonly string[]): readonly string[] {
  if (methods.length === 0) return HTTP_METHODS;
  return methods.includes('GET') && !methods.includes('HEAD') ? [...methods, 'HEAD'] : methods;
}
