/**
 * The contract between the pipeline and every filter.
 *
 * Thread: worker. A filter is compiled once for each route that configures it, into steps of the
 * kinds below. A step belongs to no request: what it needs of one is an argument, and it keeps
 * nothing. A step that throws ends its request with 500; nothing goes through unchecked.
 */
import type { CollectedBody } from './collected-body.js';
import type { LocalReply } from './local-reply.js';
import type { ReplyHead } from './reply-head.js';

/** The header fields of a request. Names are lower case. */
export interface FieldView {
  readonly host: string;
  /** The first value, or ''. */
  value(name: string): string;
  /** Every value, in order. */
  values(name: string): readonly string[];
  /** All fields, names and values in turn. */
  all(): readonly string[];
}

/** What a filter sees of a request. */
export interface RequestView {
  readonly method: string;
  /** Normalised, without the query. */
  readonly path: string;
  /** As it came, with its question mark, or ''. */
  readonly query: string;
  readonly scheme: string;
  /** Behind trusted proxies; '' when it is not known. */
  readonly clientIp: string;
  readonly requestId: string;
  /** Bytes of the body; -1: not known yet. */
  readonly bodyBytes: number;
  readonly consumer: string;
  readonly claims: Readonly<Record<string, unknown>> | null;
  /** Decoded; what a star took is under `*`. */
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly fields: FieldView;
}

/** What a filter may change of a request. */
export interface EditableRequest extends RequestView {
  /** Path and query that the target gets; '': those that came, less what the route strips. */
  rewrittenTarget: string;
  /** Fields that go to the target beside the others: names and values in turn. */
  addedFields: readonly string[];
}

/** Null: the request goes on. */
export type StepResult = LocalReply | null;

/** Looks at the head of a request. */
export type RequestStep = (request: RequestView) => StepResult;

/** Changes the head of a request. */
export type EditStep = (request: EditableRequest) => StepResult;

/** Looks at a whole body, or changes it. */
export type BodyStep = (body: CollectedBody, request: RequestView) => StepResult;

/** Changes the head of a reply, one of the gateway's own included. */
export type ReplyStep = (head: ReplyHead, request: RequestView) => void;
