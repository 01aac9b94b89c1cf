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
  /** Limit fields of the reply; none without a limit. */
  limitFields: FieldBlock = NO_FIELDS;
  /** What a consistent hash goes by. */
  balanceHash = 0;
  /** Position of the target that the client brought a cookie of, or {@link NO_PREFERENCE}. */
  preferredTarget = NO_PREFERENCE;
  /** Place under limits on requests in flight; 0: none. */
  inFlightTicket = 0;
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

  onAsked(askId: number): void {
    this.askId = askId;
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

  onLimits(limitFields: FieldBlock): void {
    this.limitFields = limitFields;
  }

  onBalanceHash(hash: number): void {
    this.balanceHash = hash;
  }

  onPreference(position: number): void {
    this.preferredTarget = position;
  }

  /** The exchange has a place under limits on requests in flight; 0: it has given that back. */
  onPlace(ticket: number): void {
    this.inFlightTicket = ticket;
  }

  /** From `nowMs` on it counts as in flight at its upstream; 0: no more. */
  onEntered(nowMs: number): void {
    this.enteredMs = nowMs;
  }
}
