/**
 * Options of CORS (the Fetch standard, section 3.2).
 *
 * Thread: any (pure).
 */
import type { Duration } from '../../base/quantities.js';

/** Which pages of other origins may call from a browser. Nobody, unless listed. */
export interface CorsConfig {
  /**
   * Origins such as `https://app.example`, with `https://*.example` for every host below it; `*`
   * alone for all, which excludes `credentials`. At least one.
   */
  readonly origins: readonly string[];
  /** Methods that may be used. Default: those of the route. */
  readonly methods?: readonly string[];
  /** Header fields that may be sent beside the harmless ones. Default: none. */
  readonly headers?: readonly string[];
  /** Fields of replies that the page may read beside the harmless ones. Default: none. */
  readonly exposeHeaders?: readonly string[];
  /** Whether cookies and credentials may be sent along. Default: false. */
  readonly credentials?: boolean;
  /** How long a browser may remember the answer to a preflight, 0s to 24h. Default: 5m. */
  readonly maxAge?: Duration;
}

export interface CompiledCors {
  readonly origins: readonly string[];
  /** Upper case. */
  readonly methods: readonly string[];
  /** Lower case. */
  readonly headers: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly credentials: boolean;
  readonly maxAgeSeconds: number;
}

const ORIGIN = /^https?:\/\/(\*\.)?[a-z0-9.-]+(:\d{1,5})?$|^https?:\/\/\[[0-9a-f:.]+\](:\d{1,5})?$/;
const DEFAULT_PORT = /^http:.*:80$|^https:.*:443$/;

/** What is wrong with one entry of `origins`, if anything is. */
export function originProblem(origin: string): string | undefined {
  if (origin === '*' || origin === 'null') return undefined;
  if (!ORIGIN.test(origin)) {
    return (
      'must be an origin as browsers write it (https://app.example: lower case, no path), ' +
      '"*" or "null"'
    );
  }
  return DEFAULT_PORT.test(origin)
    ? 'must not name the port that its scheme has anyway'
    : undefined;
}
