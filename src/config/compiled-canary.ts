/**
 * How a reload is tried before it comes into force, as threads have it.
 *
 * Thread: any (pure). Types only.
 */
import type { CompiledGuard } from './compiled-split.js';

export interface CompiledCanary {
  readonly workers: number;
  /** Of the requests, where there is one worker. */
  readonly percent: number;
  readonly forMs: number;
  /** When it is taken back. */
  readonly guard: CompiledGuard;
}
