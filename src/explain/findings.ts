/**
 * What the parts of an explanation find out, for one another.
 *
 * Thread: any (pure).
 */
import type { ProblemKind } from '../base/problems.js';
import type { LocalReply } from '../filters/local-reply.js';
import type { AnswerShown } from './answer-steps.js';
import type { LimitShown, TargetShown } from './explanation.js';

/** Why a request does not go on. */
export interface Refusal {
  /** null: it is no refusal, but an answer. */
  readonly problem: ProblemKind | null;
  readonly status: number;
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

/** Of a request whose route is known. */
export interface Findings {
  /** Of filters before the caller is known. */
  readonly entry: Refusal | null;
  readonly identity: Identity;
  readonly decided: Decided;
  /** Of filters once the request is admitted. */
  readonly edit: Refusal | null;
  readonly answer: AnswerShown;
}

export function refuse(problem: ProblemKind, detail: string): Refusal {
  return { problem, status: problem.status, detail };
}

/** What a filter, or the search for a route, gives as a reply. */
export function refusalOf({ problem, status, detail }: LocalReply): Refusal {
  return { problem, status, detail: detail === '' ? 'The route answers by itself.' : detail };
}
