/**
 * Messages between the main thread and the coordinator by postMessage: rare, not urgent.
 *
 * Thread: any (both ends). Plain data that survives a structured clone.
 */
import type { RolloutPhase, RolloutReason } from '../../base/rollout-words.js';
import type { Port } from '../port.js';
import type { BreakerCauseName } from './target-states.js';

/** From the coordinator to the main thread. */
export type CoordinatorMessage =
  /**
   * `osThreadId`: the operating system's id, by which the CPU time of the thread can be looked up.
   */
  | { readonly type: 'started'; readonly osThreadId: number }
  | { readonly type: 'configured'; readonly epoch: number }
  | {
      readonly type: 'breaker';
      readonly targetIndex: number;
      readonly from: number;
      readonly to: number;
      readonly reason: BreakerCauseName;
      /** On the monotonic clock. */
      readonly atMs: number;
      /** When an open breaker may be probed; 0: the breaker is not open. */
      readonly untilMs: number;
    }
  | {
      readonly type: 'health';
      readonly targetIndex: number;
      readonly isHealthy: boolean;
      readonly reason: string;
      readonly atMs: number;
      /** When an ejection ends; 0: the target is not ejected. */
      readonly untilMs: number;
    }
  | {
      readonly type: 'rollout';
      readonly rolloutIndex: number;
      readonly phase: RolloutPhase;
      readonly reason: RolloutReason;
    };

/**
 * From the main thread to the coordinator, which reads its messages only when the control ring says
 * so. A port is in the transfer list.
 */
export type CoordinatorMail<Config = unknown> =
  | { readonly type: 'wakePort'; readonly lane: number; readonly port: Port }
  /** Wakes the store's thread: it is another one than before, or this coordinator is. */
  | { readonly type: 'storePort'; readonly port: Port }
  | { readonly type: 'fault'; readonly fault: CoordinatorFault }
  /** An order about a split stands in its row: see rollout-memory.ts. */
  | { readonly type: 'rolloutOrder' }
  /** Use these versions from now on, of which the last one is in force; `configured` answers. */
  | { readonly type: 'configs'; readonly configs: readonly Config[] };

/**
 * A way to make the coordinator fail on purpose, for tests: an uncaught exception, an endless loop.
 */
export type CoordinatorFault = 'crash' | 'hang';

/** Wakes a worker: the worker's event loop listens on the other end of the port. */
export type WakePort = Pick<Port, 'postMessage'>;
