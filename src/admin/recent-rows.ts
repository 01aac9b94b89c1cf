/**
 * The rows of /recent.
 *
 * Thread: any (pure). Types only, which the gateway and the dashboard's script share. Users' tools
 * read the keys, so the keys never change.
 */

/** The document that /recent shows. */
export interface Recent {
  /** Newest first. */
  readonly refusals: readonly RefusalRow[];
  /** The most used first. */
  readonly top_keys: readonly TopKeyRow[];
}

export interface RefusalRow {
  /** ISO 8601. */
  readonly time: string;
  readonly status: number;
  readonly code: string;
  readonly part: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Empty: no route. */
  readonly route: string;
  readonly clientIp: string;
  readonly consumer: string;
  readonly requestId: string;
  /** What was behind the refusal and was not told to the client; empty: nothing. */
  readonly cause: string;
}

export interface TopKeyRow {
  readonly limit: string;
  /** The name of the key where it is known, else a part of its hash. */
  readonly key: string;
  /** 0 to 1; 1: the next request is refused. */
  readonly usedShare: number;
}
