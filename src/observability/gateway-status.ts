/**
 * What the main thread knows of a gateway and shows on pages: its configuration, and the names of
 * its targets.
 *
 * Thread: supervisor. Types only: the supervisor makes these, the admin listener shows them.
 */
import type { ClusterStatus } from '../base/cluster-status.js';
import type { StoreOrigin } from '../base/store-origin.js';

/** A host name in the configuration whose addresses are targets. */
export interface NameStatus {
  readonly name: string;
  /** Empty: nothing is known yet, and each connection looks the name up. */
  readonly addresses: readonly string[];
  /** How many addresses of the last look-up found no room. */
  readonly leftOutCount: number;
  /** Why the last look-up failed; null: it succeeded. */
  readonly failure: string | null;
  /** The time since the last look-up that succeeded; null: none has so far. */
  readonly ageMs: number | null;
}

/** An upstream whose targets are found, and its source. */
export interface DiscoveryStatus {
  readonly upstream: string;
  /** In words, without secrets. */
  readonly source: string;
  /** In use. */
  readonly targets: number;
  /** Found, and without room. */
  readonly waiting: number;
  /** Gone, with what is still in flight. */
  readonly leaving: number;
  /** A sudden loss is not believed yet. */
  readonly isHolding: boolean;
  /** Why the source could not be asked the last time; null: it could. */
  readonly failure: string | null;
  /** Times that it could not be asked. */
  readonly errors: number;
  /** Times that the targets, or what is said of them, have changed. */
  readonly changes: number;
  /** The time since the source last said which targets there are; null: it never has. */
  readonly ageMs: number | null;
}

/** One name of a certificate that a listener shows its clients. */
export interface CertificateFigure {
  readonly listener: string;
  /** The file, or `acme`. */
  readonly source: string;
  /** Empty: the certificate is for clients that name no server. */
  readonly name: string;
  readonly expiresAtUnixMs: number;
}

/** The certificates of all listeners. */
export interface CertificatesStatus {
  readonly certificates: readonly CertificateFigure[];
  /** Changes of files that were refused, and why the last one was. */
  readonly refused: number;
  readonly lastRefusal: string;
  /** Certificates that were issued by ACME, and orders that failed. */
  readonly acme: { readonly ordered: number; readonly failed: number };
}

/** The gateway's own identity (SPIFFE), and the agent that issues it. */
export interface WorkloadStatus {
  readonly endpoint: string;
  readonly isConnected: boolean;
  /** What went wrong last; empty: nothing since the last good message. */
  readonly failure: string;
  /** Empty: there is none that may be used. */
  readonly id: string;
  /** 0: there is none. */
  readonly expiresAtUnixMs: number;
  /** Why there is none. */
  readonly lack: string;
  /** Whose authorities are known. */
  readonly trustDomains: readonly string[];
  /** Times that it was renewed. */
  readonly rotations: number;
  /** Times that the agent was lost, or has ended a call. */
  readonly lost: number;
  /** Messages of the agent that were not used. */
  readonly refused: number;
  /** Times that the agent has said that the gateway is entitled to nothing. */
  readonly denied: number;
}

/** The store that gateways share. */
export interface StoreFigures {
  readonly isUp: boolean;
  /** Why it is lost; '': it is not. */
  readonly reason: string;
  /** Whether the gateway hears what the others tell. */
  readonly isFollowing: boolean;
  /** Gateways that share it, this one as well; 0: unknown. */
  readonly nodes: number;
  /** How often its thread has died. */
  readonly deaths: number;
  readonly counts: Readonly<Record<string, number>>;
}

/** What asked for a change of the configuration. */
export type ReloadTrigger =
  | 'file'
  | 'signal'
  | 'admin'
  | 'rollback'
  | 'restore'
  | 'program'
  | 'store'
  | 'kubernetes';

/** What requests came to under one of two configurations. */
export interface TrialSide {
  readonly requests: number;
  /** Replies with 5xx, and what the gateway itself refused. */
  readonly errors: number;
  /** What 99 % of the requests did not exceed, from head to end. */
  readonly p99Ms: number;
}

/** A configuration on trial. */
export interface TrialFigures {
  readonly epoch: number;
  readonly endsInMs: number;
  readonly inForce: TrialSide;
  readonly onTrial: TrialSide;
}

/** Where the configuration comes from, and the result of the last change. */
export interface ReloadStatus {
  /** '': the configuration was made by a program. */
  readonly source: string;
  readonly epoch: number;
  /** Wall time. */
  readonly inForceSinceUnixMs: number;
  /** Versions with requests in flight, oldest first, then the version in force. */
  readonly epochsInUse: readonly number[];
  /** The number of versions to which one can go back now. */
  readonly earlierVersions: number;
  readonly reloads: number;
  readonly refusedReloads: number;
  /** null: nobody has asked for a reload. */
  readonly lastReload: {
    readonly atUnixMs: number;
    readonly trigger: ReloadTrigger;
    readonly outcome: 'applied' | 'refused';
    readonly reasons: readonly string[];
  } | null;
  /** null: no configuration is on trial. */
  readonly trial: TrialFigures | null;
  /** What became of the last trial that is over; null: there was none. */
  readonly lastTrial: {
    readonly epoch: number;
    readonly outcome: 'applied' | 'refused';
    readonly reasons: readonly string[];
  } | null;
  /** null: the configuration does not come from a store. */
  readonly origin: StoreOrigin | null;
  /** null: objects of a cluster are not looked at. */
  readonly cluster: ClusterStatus | null;
}
