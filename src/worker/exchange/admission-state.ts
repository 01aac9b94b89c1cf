/**
 * What an exchange was admitted to, and what it must give back.
 *
 * Thread: worker. Written by admission/. Invariant: an admission is either with the exchange, as
 * `isAdmitted` says, or was handed to a try, or has been given back.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { NO_PREFERENCE } from '../../channel/coordinator/coordinator-records.js';

/** There is no ask that waits for its reply. */
export const NO_ASK = -1;

/** What a try was admitted with, and must be given back once. */
export interface Admission {
  readonly targetIndex: number;
  readonly ticket: number;
}

export class AdmissionState implements Admission {
  /** The RateLimit field of the reply; none without a limit. */
  limitFields: FieldBlock = NO_FIELDS;
  /** How many more requests the limit of `limitFields` would admit; infinite: there is none. */
  limitLeft = Number.POSITIVE_INFINITY;
  /** What a consistent hash goes by. */
  balanceHash = 0;
  /** Position of the target that the client brought a cookie of, or {@link NO_PREFERENCE}. */
  preferredTarget = NO_PREFERENCE;
  /** Place under limits on requests in flight; 0: none. */
  inFlightTicket = 0;
  /** The same, of those that were decided before it was known who calls. */
  firstInFlightTicket = 0;
  /** The last ask was for the limits that need not know who calls. */
  asksFirst = false;
  /** The ask that waits for its reply, or {@link NO_ASK}. */
  askId = NO_ASK;
  /** Row of the target of the last admission; -1: there was none. */
  targetIndex = -1;
  /** Of the last admission; 0: there is nothing to give back but the target. */
  ticket = 0;
  /** The last admission has not been handed to a try yet. */
  isAdmitted = false;
  /** When it began to count as in flight at an upstream whose concurrency is adapted; 0: never. */
  enteredMs = 0;

  get isAsking(): boolean {
    return this.askId !== NO_ASK;
  }

  /** `isFirst`: before it is known who calls. */
  onAsked(askId: number, isFirst: boolean): void {
    this.askId = askId;
    this.asksFirst = isFirst;
  }

  /** The ask has its reply, or nobody waits for that any more. */
  onAskOver(): void {
    this.askId = NO_ASK;
  }

  onAdmitted(targetIndex: number, ticket: number): void {
    this.targetIndex = targetIndex;
    this.ticket = ticket;
    this.isAdmitted = true;
  }

  /** A try has the last admission now, or the coordinator has got it back. */
  handOver(): void {
    this.isAdmitted = false;
  }

  /**
   * Of two asks the reply tells the limit that is nearer to its end; of two that are equally near,
   * the later one, which may have refused.
   */
  onLimits(limitFields: FieldBlock, left: number): void {
    if (left > this.limitLeft) return;
    this.limitFields = limitFields;
    this.limitLeft = left;
  }

  onBalanceHash(hash: number): void {
    this.balanceHash = hash;
  }

  onPreference(position: number): void {
    this.preferredTarget = position;
  }

  /** The last ask has brought a place under limits on requests in flight. */
  onPlace(ticket: number): void {
    if (this.asksFirst) this.firstInFlightTicket = ticket;
    else this.inFlightTicket = ticket;
  }

  /** The exchange has given all of its places back. */
  onPlacesLeft(): void {
    this.inFlightTicket = 0;
    this.firstInFlightTicket = 0;
  }

  /** From `nowMs` on it counts as in flight at its upstream; 0: no more. */
  onEntered(nowMs: number): void {
    this.enteredMs = nowMs;
  }
}
