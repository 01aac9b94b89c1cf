/**
 * Names of the keys by which gateways tell each other events, and the form of an event.
 *
 * Thread: any (both ends). The store's thread reads the stream, the main thread writes to it.
 */

/** Events that the stream keeps at least: who misses more begins anew. */
export const FEED_LENGTH = 4096;
/** For how long a gateway that is away is still named as one that was not told. */
export const MEMBER_KNOWN_MS = 60_000;

/** One tag: both lie in one slot of a Redis Cluster. */
export function feedStreamKey(prefix: string): string {
  return `${prefix}{events}:stream`;
}

export function feedMembersKey(prefix: string): string {
  return `${prefix}{events}:members`;
}

/** What one gateway tells all others. */
export interface FeedEvent {
  /** '': a mark of a gateway that has begun to listen. */
  readonly topic: string;
  /** Name of the gateway that tells it. */
  readonly from: string;
  /** By which it is acknowledged. */
  readonly id: string;
  readonly body: string;
}
