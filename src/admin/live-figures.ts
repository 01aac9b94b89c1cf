/**
 * Changing figures that the main thread collects for the pages at the moment of asking.
 *
 * Thread: supervisor. Types only, in the words of the code; live-rows.ts has the names that the
 * pages show.
 */
import type {
  AcceptorFigures,
  LaneFigures,
  ListenerFigures,
} from '../channel/acceptor/acceptor-figures.js';
import type {
  CertificatesStatus,
  DiscoveryStatus,
  NameStatus,
  StoreFigures,
  WorkloadStatus,
} from '../observability/gateway-status.js';

export interface LiveFigures {
  readonly version: string;
  readonly startedMs: number;
  readonly inFlight: number;
  /** The operating system's ids of the threads. */
  readonly threads: {
    readonly main: number;
    readonly workers: readonly number[];
    readonly coordinator: number;
  };
  /** By lane. */
  readonly lanes: readonly LaneFigures[];
  readonly acceptors: readonly AcceptorFigures[];
  readonly workerDeaths: readonly number[];
  readonly coordinatorDeaths: number;
  /** null: no store is configured. */
  readonly store: StoreFigures | null;
  readonly targetNames: readonly NameStatus[];
  readonly discovery: readonly DiscoveryStatus[];
  readonly listeners: readonly ListenerFigures[];
  readonly certificates: CertificatesStatus;
  /** null: nothing needs an identity of the gateway itself. */
  readonly workload: WorkloadStatus | null;
}

/** A figure of all acceptors together. */
export function sumOfAcceptors(
  { acceptors }: Pick<LiveFigures, 'acceptors'>,
  figure: (one: AcceptorFigures) => number,
): number {
  return acceptors.reduce((total, one) => total + figure(one), 0);
}
