/**
 * What the supervisor starts the store's thread with.
 *
 * Thread: any (both ends). Types only.
 */
import type { StoreMemory } from '../channel/store/store-channel.js';
import type { CompiledStore } from '../config/store-settings.js';

/** The workerData of the store's thread. */
export interface StoreTask {
  readonly config: CompiledStore;
  readonly memory: StoreMemory;
  /** Names this gateway among those that share the store; the same for each of its threads. */
  readonly nodeId: string;
  /** The same for people: where it runs, and a part of the id. */
  readonly nodeName: string;
}
