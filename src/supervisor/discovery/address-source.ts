/**
 * The port between discovery and what is asked for targets: a file, a server, a registry.
 *
 * Thread: supervisor (on the main thread). Types only; one file of this folder for each kind.
 */
import type { SlotTarget } from '../../channel/coordinator/target-slots.js';

/** A target as a source names it. */
export type FoundTarget = SlotTarget;

/** Hears of one source. Nothing is heard after the source was stopped. */
export interface SourceListener {
  /**
   * All targets that there are, each time anew; none: the source says that there are none. Also
   * when nothing has changed: it says that the source was reached.
   */
  onTargets(found: readonly FoundTarget[]): void;
  /** The source could not be asked, or gave no sense: what is known stays. Holds no secret. */
  onError(reason: string): void;
}

export interface AddressSource {
  /** Asks for the first time, and goes on to ask until it is stopped. */
  start(): void;
  /** Asks now, beside its usual times: the listener hears of the outcome. */
  lookAgain(): void;
  stop(): void;
}
