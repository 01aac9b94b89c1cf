/**
 * What a listener of the engine knows of each of its connections.
 *
 * Thread: acceptor.
 */
import type { Socket } from 'node:net';

/** What a connection is spoken on. */
export interface SocketPair {
  /** What was taken in. */
  readonly raw: Socket;
  /** The same, or TLS on it. */
  readonly socket: Socket;
}

export interface WireGuest {
  /** Bytes that wait in memory for the client to take some. */
  readonly unsentBytes: number;
  /** Streams of HTTP/2 that are open; absent: the connection does not speak it. */
  readonly streamCount?: number;
  /** For how long the client has taken nothing of them. */
  stalledForMs(nowMs: number): number;
  /**
   * Memory is short for what it does not take: gives up what has stalled for `stalledMsMin`.
   * Absent: the connection is closed.
   */
  giveUp?(nowMs: number, stalledMsMin: number): void;
  /** Nothing of a request has come yet, and the connection waits for its first one. */
  readonly isNew: boolean;
  /** Called every TICK_MS with the time of the tick. */
  onTick(nowMs: number): void;
  /**
   * The listener takes no more connections: one on which nothing is under way closes, one of HTTP/2
   * behind its streams. True: this call has made it end.
   */
  onDrain(): boolean;
  /** Everything ends now. */
  shutDown(): void;
}
