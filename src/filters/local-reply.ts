/**
 * A reply that a filter gives in place of the target.
 *
 * Thread: worker.
 */
import { type FieldBlock, NO_FIELDS } from '../base/field-block.js';
import type { ProblemKind } from '../base/problems.js';

export interface LocalReply {
  readonly status: number;
  /** Null: `body` is sent as it is; else a problem document is made of this and what follows. */
  readonly problem: ProblemKind | null;
  readonly detail: string;
  /** Members that the problem document has besides the usual ones. */
  readonly members: Readonly<Record<string, unknown>> | null;
  /** Fields of the reply, besides those of every reply of its kind. */
  readonly fields: FieldBlock;
  readonly body: string;
  /** For the access record and the admin listener, never for the client; '': nothing to add. */
  readonly cause: string;
}

/** What a refusal says besides its kind. */
export interface RefusalParts {
  readonly fields?: FieldBlock;
  readonly members?: Readonly<Record<string, unknown>>;
  readonly cause?: string;
}

/** A refusal as a problem document. `detail` says what was wrong and what to do. */
export function refusal(kind: ProblemKind, detail: string, parts: RefusalParts = {}): LocalReply {
  const { fields = NO_FIELDS, members = null, cause = '' } = parts;
  return { status: kind.status, problem: kind, detail, members, fields, body: '', cause };
}

/** Any other reply. */
export function plainReply(status: number, fields: FieldBlock, body = ''): LocalReply {
  return { status, problem: null, detail: '', members: null, fields, body, cause: '' };
}
