/**
 * The contract between the pipeline and every filter.
 *
 * Thread: worker. A filter is compiled once for each route that configures it, into steps of the
 * kinds below. A step belongs to no request: what it needs of one is an argument, and it keeps
 * nothing. A step that throws ends its request with 500; nothing goes through unchecked.
 */

import type { Coding } from '../base/content-codings.js';
import type { BodyFormats, CollectedBody } from './collected-body.js';
import type { NumberMarks } from './exact-numbers.js';
import type { JsonLimits } from './json-scan.js';
import type { LocalReply } from './local-reply.js';
import type { ReplyHead } from './reply-head.js';
import type { StageSource } from './reply-stage.js';
import type { RequestView } from './request-view.js';

export type { FieldView, RequestView } from './request-view.js';

/** What a filter may change of a request. */
export interface EditableRequest extends RequestView {
  /** The path in the spelling that the target gets: with empty segments, and as it was escaped. */
  readonly sentPath: string;
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

/** A body that is looked at or changed as a whole. */
export interface RequestBodySteps {
  /** Largest body. */
  readonly maxBytes: number;
  /** null: whatever the other filters of the route say, or bounds that no client reaches. */
  readonly limits: JsonLimits | null;
  readonly step: BodyStep;
  /** It runs for requests without a body as well: it makes one. */
  readonly takesEmpty?: true;
  /** It does not look into the body, which may keep its Content-Encoding. */
  readonly keepsCoding?: true;
  /** Whether the body of this request is to be collected. */
  isNeeded(request: RequestView): boolean;
}

/** Changes a document and returns it; `marks`: of numbers in it that are texts meanwhile. */
export type BodyEditor = (document: unknown, request: RequestView, marks: NumberMarks) => unknown;

/** A reply that is collected and changed. */
export interface ReplyBodyEdit extends BodyFormats {
  /** Largest body. */
  readonly maxBytes: number;
  readonly edit: BodyEditor;
}

/** Which replies are compressed, and how. */
export interface CompressionPlan {
  /** Those that this Node.js has, the preferred one first. */
  readonly codings: readonly Coding[];
  readonly minBytes: number;
  /** Media types in lower case; a star stands for any characters. */
  readonly types: readonly string[];
  readonly levels: Readonly<Record<Coding, number>>;
}

/** How large and how slow bodies may be while they come. */
export interface UploadBounds {
  readonly bodyBytes: number;
  /** 0: not bounded. */
  readonly bodyTimeoutMs: number;
  /** 0: not bounded. */
  readonly minBytesPerSecond: number;
  readonly graceMs: number;
}

/** What a filter may do, by the place in the pipeline where it does that. */
interface StepOfPlace {
  /** Before the caller is known. */
  readonly enter: RequestStep;
  /** Once the request is admitted. */
  readonly edit: EditStep;
  readonly requestBody: RequestBodySteps;
  /** Names of fields of the request that do not go on as they came; lower case. */
  readonly droppedFields: readonly string[];
  readonly upload: UploadBounds;
  /** Of every reply of the route, one of the gateway's own included. */
  readonly replyHead: ReplyStep;
  readonly replyBody: ReplyBodyEdit;
  /** Whole replies, before all other stages. */
  readonly replyStage: StageSource;
  /** How whole replies are compressed, after all other stages. */
  readonly replyCoding: CompressionPlan;
}

export type Place = keyof StepOfPlace;

/** The steps that options of a filter were compiled into; null: nothing to be done there. */
export type FilterSteps<P extends Place = Place> = {
  readonly [K in P]: StepOfPlace[K] | null;
};
