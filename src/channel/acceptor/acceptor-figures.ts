/**
 * What acceptors count, for the pages of the admin listener.
 *
 * Thread: any (both ends). Types only.
 */
import type { EngineName } from '../../base/listener-address.js';

/** What a lane counts, as its acceptor sees it. */
export interface LaneFigures {
  readonly isServed: boolean;
  readonly inFlight: number;
  readonly staleRecords: number;
  readonly backlogBytes: number;
  /** Blocks that long replies are read into, or wait in to be sent. */
  readonly bodyBlocks: number;
  /** Bytes on their way to the worker, and back. */
  readonly requestBytes: number;
  readonly replyBytes: number;
  /** Records read from the worker. */
  readonly records: number;
  /** How many times the worker was woken. */
  readonly wakes: number;
}

export interface ConnectionFigures {
  readonly open: number;
  /** Taken from the kernel since the start, those that were refused included. */
  readonly taken: number;
  /** Refused since the start: there were too many in all, or of the address. */
  readonly refusedInAll: number;
  readonly refusedOfAddress: number;
}

/** One acceptor. */
export interface AcceptorFigures {
  /** It takes connections. */
  readonly isServing: boolean;
  readonly osThreadId: number;
  readonly inFlight: number;
  readonly connections: ConnectionFigures;
  /** Whose heads were sound, since the start. */
  readonly requests: number;
  /** Requests that went on with another worker after theirs had died. */
  readonly movedRequests: number;
  /** Threads that have died, and the connections that they took along. */
  readonly deaths: number;
  readonly lostConnections: number;
  /** Threads have died again and again: its place is empty for a while. */
  readonly isResting: boolean;
}

/** A listener in force. */
export interface ListenerFigures {
  readonly name: string;
  /** What was asked for: a host, or the address in words where it is no TCP port. */
  readonly host: string;
  readonly engine: EngineName;
  /** That it has; 0: it is no TCP port. */
  readonly port: number;
  readonly openConnections: number;
  /** Of those, the ones that speak HTTP/2, and the streams that are open on them. */
  readonly http2Connections: number;
  readonly http2Streams: number;
  /** By its own bound, since it was opened. */
  readonly refusedConnections: number;
  /** Connections that were closed before their first request, by reason; those included. */
  readonly turnedAway: readonly (readonly [reason: string, count: number])[];
  /** What clients have done wrong in HTTP/2, floods included, by reason. */
  readonly mistakes: readonly (readonly [reason: string, count: number])[];
  /** TLS handshakes by outcome: `done`, or why they failed. */
  readonly handshakes: readonly (readonly [outcome: string, count: number])[];
}
