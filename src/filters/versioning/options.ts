/**
 * Options of API versions.
 *
 * Thread: any (pure).
 */

/** How requests say which version of the API they mean: for routes with `match.version`. */
export interface VersioningConfig {
  /**
   * `path`: `/v1/users` is version 1 of `/users`, and the target gets `/users`. `header`: the value
   * of a field. `mediaType`: `application/vnd.acme.v1+json` or `application/json;version=1` in
   * Accept.
   */
  readonly by: 'path' | 'header' | 'mediaType';
  /** Name of the field, with `by: header`. Default: X-API-Version. */
  readonly header?: string;
  /** Version of a request that says none. Default: such requests are refused with 400. */
  readonly default?: string;
}

/** When a route is no longer what clients should use. Dates are ISO 8601, UTC by default. */
export interface DeprecationConfig {
  /** Since when: the `Deprecation` field (RFC 9745). May lie ahead. Default: not said. */
  readonly since?: string;
  /** When it ends: the `Sunset` field (RFC 8594). From then on 410. Default: not said. */
  readonly sunset?: string;
  /** A page about it, as a `Link`. Default: none. */
  readonly link?: string;
}

export interface CompiledVersioning {
  readonly by: 'path' | 'header' | 'mediaType';
  /** Lower case. */
  readonly header: string;
  /** Empty: none. */
  readonly default: string;
}

export interface CompiledDeprecation {
  /** Seconds since 1970; -1: not said. */
  readonly sinceSeconds: number;
  /** Milliseconds since 1970; -1: not said. */
  readonly sunsetMs: number;
  /** Empty: none. */
  readonly link: string;
}

/** Milliseconds since 1970, or undefined when it is no date. */
export function parseDate(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) return undefined;
  const isZoned = text.length === 10 || /(Z|[+-]\d\d:\d\d)$/.test(text);
  const ms = Date.parse(isZoned ? text : `${text}Z`);
  // The parser takes the 31st of February for the 3rd of March.
  if (Number.isNaN(ms) || new Date(Date.parse(text.slice(0, 10))).getUTCDate() !== dayOf(text)) {
    return undefined;
  }
  return ms;
}

function dayOf(text: string): number {
  return Number(text.slice(8, 10));
}
