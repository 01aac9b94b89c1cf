/**
 * What the parts of an explanation find out, for one another.
 *
 * Thread: any (pure).
 */
import type { ProblemKind } from '../base/gateway-error.js';
import type { LimitShown, TargetShown } from './explanation.js';

/** Why a request does not go on. */
export interface Refusal {
  readonly problem: ProblemKind;
  readonly detail: string;
}

/** Who calls. */
export interface Identity {
  /** Empty: not known. */
  readonly consumer: string;
  readonly detail: string;
  /** null: the request goes on. */
  readonly refusal: Refusal | null;
}

/** What the coordinator would say. */
export interface Decided {
  readonly limits: readonly LimitShown[];
  readonly targets: readonly TargetShown[];
  /** host:port; empty: none. */
  readonly picked: string;
  readonly refusal: Refusal | null;
}
