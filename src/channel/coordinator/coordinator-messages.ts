/**
 * What the main thread and the coordinator say to each other by postMessage: rare, not urgent.
 *
 * Thread: any (both ends). Plain data that survives a structured clone.
 */
import type { Port } from '../port.js';
import type { BreakerCauseName } from './target-states.js';

/** From the coordinator to the main thread. */
export type CoordinatorMessage =
  /** `osThreadId`: of the operating system, so that its CPU time can be looked up. */
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
      /** When an open breaker may be probed; 0: it is not open. */
      readonly untilMs: number;
    }
  | {
      readonly type: 'health';
      readonly targetIndex: number;
      readonly isHealthy: boolean;
      readonly reason: string;
      readonly atMs: number;
      /** When an ejection ends; 0: it is none. */
      readonly untilMs: number;
    };

/**
 * From the main thread to the coordinator; it looks for mail only when the control ring says so.
 * A port is in the transfer list.
 */
export type CoordinatorMail<Config = unknown> =
  | { readonly type: 'wakePort'; readonly lane: number; readonly port: Port }
  | { readonly type: 'fault'; readonly fault: CoordinatorFault }
  /** Go on under this configuration; `configured` is the answer. */
  | { readonly type: 'config'; readonly config: Config };

/** A way to fail on purpose, for tests: an exception that nobody catches, an endless loop. */
export type CoordinatorFault = 'crash' | 'hang';

/** How a worker is woken: its event loop listens on the other end. */
export type WakePort = Pick<Port, 'postMessage'>;
