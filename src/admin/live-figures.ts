/**
 * What changes from moment to moment and is not in shared memory, as the main thread tells it.
 *
 * Thread: acceptor. Types only: facts as the parts of the gateway have them. What the pages call
 * them is in live-rows.ts.
 */

/** One lane, as the acceptor sees it. */
export interface LaneFacts {
  readonly isServed: boolean;
  readonly inFlight: number;
  readonly staleRecords: number;
  readonly backlogBytes: number;
  /** Blocks of memory that long replies are read into. */
  readonly bodyBlocks: number;
  /** Bytes on the way to the worker, and back. */
  readonly requestBytes: number;
  readonly replyBytes: number;
  /** Records read from the worker. */
  readonly records: number;
  /** Times that the worker was woken. */
  readonly wakes: number;
}

/** A host name among the targets whose addresses are targets. */
export interface TargetNameFacts {
  readonly name: string;
  /** Empty: nothing is known yet, and each connection looks it up. */
  readonly addresses: readonly string[];
  /** Addresses that the last look-up found and that there is no room for. */
  readonly leftOutCount: number;
  /** Why the last look-up failed; null: it did not. */
  readonly failure: string | null;
  /** Since the last look-up that did not fail; null: there was none so far. */
  readonly ageMs: number | null;
}

/** Where the configuration comes from, and what came of changing it. */
export interface ConfigurationFacts {
  /** Empty: a program made it. */
  readonly source: string;
  readonly epoch: number;
  /** Wall time. */
  readonly inForceSinceUnixMs: number;
  /** Versions that some request is still under, oldest first, and the one in force. */
  readonly epochsInUse: readonly number[];
  /** How many versions one can go back to. */
  readonly earlierVersions: number;
  readonly reloads: number;
  readonly refusedReloads: number;
  /** null: nobody has asked for one. */
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
  /** Requests that went on with another worker after theirs had died. */
  readonly movedRequests: number;
  readonly workerDeaths: readonly number[];
  readonly coordinatorDeaths: number;
  readonly targetNames: readonly TargetNameFacts[];
}
