/**
 * The configuration and state against which requests are explained.
 *
 * Thread: supervisor (on the main thread). Types only.
 */
import type { Moment } from '../base/clock.js';
import type { EngineName } from '../base/listener-address.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import type { WorkerEpoch } from '../worker/worker-epoch.js';
import type { CacheCopy } from './cache-copy.js';

/** The context of one explanation. */
export interface ExplainContext {
  readonly config: ServedConfig;
  readonly epoch: WorkerEpoch;
  /** Who reads the requests of a listener. */
  readonly engineOf: (listener: ListenerSettings) => EngineName;
  /** The memory of the running coordinator; null: explain as if no request had come yet. */
  readonly memory: CoordinatorMemory | null;
  /** What is stored of replies. */
  readonly cache: CacheCopy;
  /** The key by which workers hash limiter keys. */
  readonly hashKey: readonly [number, number];
  /** When the request comes. */
  readonly moment: Moment;
}
