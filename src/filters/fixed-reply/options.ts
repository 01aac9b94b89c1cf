/**
 * Options of replies that need no upstream.
 *
 * Thread: any (pure).
 */

/** A reply that the gateway gives itself. */
export interface RespondConfig {
  /** 200 to 599. Default: 200. */
  readonly status?: number;
  /** At most 64 KiB; values of the request may stand in it. Default: none. */
  readonly body?: string;
  /** Content-Type of the body. Default: `text/plain; charset=utf-8`. */
  readonly contentType?: string;
  /** Further fields; values of the request may stand in them. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A redirect. */
export interface RedirectConfig {
  /**
   * Where to: a path, or a whole URL with its host written out. Values of the request may stand in
   * the path and the query: `https://new.example/users/${params.id}`.
   */
  readonly to: string;
  /** 301, 302, 303, 307 or 308. Default: 308, which keeps the method. */
  readonly status?: number;
  /** Whether the query of the request is added. Default: true. */
  readonly keepQuery?: boolean;
}

/** One of both, as the worker takes it. */
export interface CompiledFixedReply {
  readonly status: number;
  /** Empty: none. */
  readonly body: string;
  readonly contentType: string;
  /** Lower-case names, templates. */
  readonly headers: readonly (readonly [string, string])[];
  /** Empty: no redirect. */
  readonly location: string;
  readonly keepQuery: boolean;
}
