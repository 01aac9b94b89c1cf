/**
 * What the main thread and the workers say to each other about who may enter, by postMessage on the
 * lane's port: rare, not urgent.
 *
 * Thread: any (both ends). Plain data that survives a structured clone.
 */

/** From the main thread to all workers, and to those that start later. */
export interface IdentityNotice {
  readonly type: 'keySet';
  /** Id of the source (filters/authentication/options.ts). */
  readonly source: string;
  /** Grows with each set that differs; 0: none could be fetched so far. */
  readonly version: number;
  /** JSON Web Keys. */
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  /** Before this time, on the monotonic clock, asking for a newer set is of no use. */
  readonly nextFetchMs: number;
}

/** From a worker: a token names a key that is not in the set it has. */
export interface IdentityRequest {
  readonly type: 'keySetWanted';
  readonly source: string;
  readonly version: number;
}
