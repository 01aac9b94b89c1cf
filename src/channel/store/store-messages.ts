/**
 * Messages between the main thread and the store's thread.
 *
 * Thread: any (both ends). Plain data that survives a structured clone.
 */
import type { Port } from '../port.js';
import type { ThreadFault } from '../thread-fault.js';
import type { FeedEvent } from './store-feed-keys.js';

/** What the store answers to a command. */
export type StoreValue = null | string | number | readonly StoreValue[];

/** From the main thread to the store's thread. */
export type StoreOrder =
  /** On this port the coordinator wakes the thread; in the transfer list. */
  | { readonly type: 'wakePort'; readonly port: Port }
  /** Sends a command, once at most. */
  | { readonly type: 'run'; readonly id: number; readonly command: readonly (string | number)[] }
  /** Listens to the events of other gateways from here on. */
  | { readonly type: 'follow' }
  | { readonly type: 'fault'; readonly fault: ThreadFault }
  | { readonly type: 'stop' };

/** From the store's thread to the main thread. */
export type StoreReport =
  | { readonly type: 'started'; readonly osThreadId: number }
  | { readonly type: 'ran'; readonly id: number; readonly value: StoreValue }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string }
  /** The store can be used, or cannot; `reason` says why it cannot. */
  | { readonly type: 'state'; readonly isUp: boolean; readonly reason: string }
  /** A gateway has told something; its own events come as well. */
  | { readonly type: 'event'; readonly event: FeedEvent }
  /** Events come, or come no more. `isContinuous`: none is missing since the last time. */
  | {
      readonly type: 'feed';
      readonly isFollowing: boolean;
      readonly isContinuous: boolean;
      readonly reason: string;
    }
  /** Something that its owner should know of. */
  | { readonly type: 'warning'; readonly message: string; readonly details: StoreDetails };

export type StoreDetails = Readonly<Record<string, string | number>>;
