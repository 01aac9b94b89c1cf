/**
 * Changing figures that are not in shared memory, as the main thread reports them.
 *
 * Thread: acceptor. Types only, in the words of the code; live-rows.ts has the names that the pages
 * show.
 */

/** One lane, as the acceptor sees it. */
export interface LaneFacts {
  readonly isServed: boolean;
  readonly inFlight: number;
  readonly staleRecords: number;
  readonly backlogBytes: number;
  /** Blocks of memory that hold long replies. */
  readonly bodyBlocks: number;
  /** Bytes on the way to the worker, and back. */
  readonly requestBytes: number;
  readonly replyBytes: number;
  /** Records read from the worker. */
  readonly records: number;
  /** Times that the worker was woken. */
  readonly wakes: number;
}

/** A host name in the configuration whose addresses are targets. */
export interface TargetNameFacts {
  readonly name: string;
  /** Empty: nothing is known yet, and each connection looks it up. */
  readonly addresses: readonly string[];
  /** How many addresses of the last look-up found no room. */
  readonly leftOutCount: number;
  /** Why the last look-up failed; null: it succeeded. */
  readonly failure: string | null;
  /** The time since the last look-up that succeeded; null: none has so far. */
  readonly ageMs: number | null;
}

/** Where the configuration comes from, and the result of the last change. */
export interface ConfigurationFacts {
  /** '': the configuration was made by a program. */
  readonly source: string;
  readonly epoch: number;
  /** Wall time. */
  readonly inForceSinceUnixMs: number;
  /** Versions with requests in flight, oldest first, then the version in force. */
  readonly epochsInUse: readonly number[];
  /** The number of versions to which one can go back. */
  readonly earlierVersions: number;
  readonly reloads: number;
  readonly refusedReloads: number;
  /** null: nobody has asked for a reload. */
  readonly lastReload: {
    readonly atUnixMs: number;
    readonly trigger: string;
    readonly outcome: string;
    readonly reasons: readonly string[];
  } | null;
}

export interface LiveFigures {
  readonly version: string;
  readonly startedMs: number;
  readonly inFlight: number;
  readonly threads: {
    readonly acceptor: number;
    readonly workers: readonly number[];
    readonly coordinator: number;
  };
  /** By lane. */
  readonly lanes: readonly LaneFacts[];
  readonly connections: {
    readonly open: number;
    readonly refusedInAll: number;
    readonly refusedOfAddress: number;
  };
  /** Requests that went on with another worker after their first worker had died. */
  readonly movedRequests: number;
  readonly workerDeaths: readonly number[];
  readonly coordinatorDeaths: number;
  readonly targetNames: readonly TargetNameFacts[];
}
