/**
 * What requests are explained against.
 *
 * Thread: acceptor. Types only.
 */
import type { Moment } from '../base/clock.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import type { WorkerEpoch } from '../worker/worker-epoch.js';

/** What the explanation is of. */
export interface ExplainContext {
  readonly config: CompiledConfig;
  readonly epoch: WorkerEpoch;
  /** Of the coordinator that runs; null: as if nobody had asked for anything. */
  readonly memory: CoordinatorMemory | null;
  /** The key that workers hash limiter keys with. */
  readonly hashKey: readonly [number, number];
  /** When the request comes. */
  readonly moment: Moment;
}
