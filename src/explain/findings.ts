/**
 * Results that the parts of an explanation share.
 *
 * Thread: any (pure).
 */
import type { ProblemKind } from '../base/problems.js';
import type { LocalReply } from '../filters/local-reply.js';
import type { LimitShown, TargetShown } from './explanation.js';

/** A reply of the gateway's own: why a request does not go on, or what the route answers. */
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

/** The answer of the coordinator to one ask, or to both of a route together. */
export interface Decided {
  /** How many of the equal requests before this one were admitted. */
  readonly admittedBefore: number;
  readonly limits: readonly LimitShown[];
  readonly targets: readonly TargetShown[];
  /** host:port; empty: no target. */
  readonly picked: string;
  readonly refusal: Refusal | null;
}

/** What one step of the pipeline would do. */
export interface StepFound {
  readonly step: string;
  readonly detail: string;
  /** It ends the request with this; null: the request goes on. */
  readonly reply: Refusal | null;
}

export function refuse(problem: ProblemKind, detail: string): Refusal {
  return { problem, status: problem.status, detail };
}

/** A refusal from the local reply of a filter or of the search for a route. */
export function refusalOf({ problem, status, detail, cause }: LocalReply): Refusal {
  const said = detail === '' ? 'The route answers by itself.' : detail;
  // Whoever asks for an explanation is the operator, not the client.
  return { problem, status, detail: cause === '' ? said : `${said} (${cause})` };
}
