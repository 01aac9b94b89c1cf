/**
 * Results that the parts of an explanation share.
 *
 * Thread: any (pure).
 */
import type { ProblemKind } from '../base/problems.js';
import type { LocalReply } from '../filters/local-reply.js';
import type { AnswerShown } from './answer-steps.js';
import type { LimitShown, TargetShown } from './explanation.js';

/** Why a request does not go on. */
export interface Refusal {
  /** null: the reply is an answer and not a refusal. */
  readonly problem: ProblemKind | null;
  readonly status: number;
  readonly detail: string;
}

/** Who calls. */
export interface Identity {
  /** Empty: unknown. */
  readonly consumer: string;
  readonly detail: string;
  /** null: the request goes on. */
  readonly refusal: Refusal | null;
}

/** The answer of the coordinator. */
export interface Decided {
  readonly limits: readonly LimitShown[];
  readonly targets: readonly TargetShown[];
  /** host:port; empty: no target. */
  readonly picked: string;
  readonly refusal: Refusal | null;
}

/** The results for a request whose route is known. */
export interface Findings {
  /** From filters that run before the caller is known. */
  readonly entry: Refusal | null;
  readonly identity: Identity;
  readonly decided: Decided;
  /** From filters that run once the request is admitted. */
  readonly edit: Refusal | null;
  readonly answer: AnswerShown;
}

export function refuse(problem: ProblemKind, detail: string): Refusal {
  return { problem, status: problem.status, detail };
}

/** A refusal from the local reply of a filter or of the search for a route. */
export function refusalOf({ problem, status, detail }: LocalReply): Refusal {
  return { problem, status, detail: detail === '' ? 'The route answers by itself.' : detail };
}
