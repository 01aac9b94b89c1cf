/**
 * One end of a channel of messages between two threads, as far as it is used here.
 *
 * Thread: any (both ends). A MessagePort of node:worker_threads fits; so does a pair in one thread
 * whose messages a test delivers by hand.
 */
export interface Port<Received = unknown, Sent = unknown> {
  /** What is in `transfer` belongs to the other thread from here on. */
  postMessage(message: Sent, transfer?: readonly object[]): void;
  on(event: 'message', listener: (message: Received) => void): unknown;
  close(): void;
}

/** Both ends of one channel: `Down` is what `port1` sends, `Up` what comes back. */
export interface Channel<Down = unknown, Up = unknown> {
  readonly port1: Port<Up, Down>;
  readonly port2: Port<Down, Up>;
}
