/**
 * The filters of one route, compiled into steps; where each feature has its place in the pipeline.
 *
 * Thread: worker. A list that stays empty is all that a feature costs a route without it.
 */
import type { CompiledRoute } from '../config/compiled-config.js';
import { corsReplyStep, preflightStep } from '../filters/cors/cors.js';
import type { BodyStep, EditStep, ReplyStep, RequestStep } from '../filters/filter.js';
import { fixedReplyStep } from '../filters/fixed-reply/fixed-reply.js';
import { ipFilterStep } from '../filters/ip-filter/ip-filter.js';
import type { JsonLimits } from '../filters/json-scan.js';
import { securityHeadersStep } from '../filters/security-headers/security-headers.js';
import {
  type BodyEditor,
  compileBodyEdits,
  requestBodyStep,
} from '../filters/transformation/body-edits.js';
import {
  droppedNames,
  editStep,
  replyFieldsStep,
} from '../filters/transformation/transformation.js';

/** For bodies that are changed but not validated. */
const JSON_LIMITS: JsonLimits = { maxDepth: 64, maxMembers: 100_000 };

/** A body that is collected before it goes on. */
export interface RequestBodyPlan {
  readonly maxBytes: number;
  readonly limits: JsonLimits;
  readonly steps: readonly BodyStep[];
}

/** A JSON reply that is collected and changed. */
export interface ReplyBodyPlan {
  readonly maxBytes: number;
  readonly limits: JsonLimits;
  readonly edit: BodyEditor;
}

export interface RouteFilters {
  /** Before the caller is known. */
  readonly entrySteps: readonly RequestStep[];
  /** Answers in place of an upstream, once the caller is known; null: there is an upstream. */
  readonly fixedReply: RequestStep | null;
  /** Once admitted. */
  readonly editSteps: readonly EditStep[];
  /** Null: the body goes on as it comes. */
  readonly requestBody: RequestBodyPlan | null;
  readonly replySteps: readonly ReplyStep[];
  readonly replyBody: ReplyBodyPlan | null;
  /** Fields of the request that do not go on as they came; lower case. */
  readonly droppedFields: readonly string[];
}

/** What says how a body is encoded, or what it adds up to: no longer true once it is changed. */
const DIGEST_FIELDS = ['content-md5', 'digest', 'content-digest', 'repr-digest'];
/** By these a target would send a part of a document, or a coded one. */
const PARTIAL_FIELDS = ['accept-encoding', 'range', 'if-range'];

/** Compiles what the route has configured. */
export function compileRouteFilters({ filters }: CompiledRoute): RouteFilters {
  const { ipFilter, cors, securityHeaders, transformation, fixedReply } = filters;
  const entrySteps: RequestStep[] = [];
  if (ipFilter !== undefined) entrySteps.push(ipFilterStep([ipFilter]));
  if (cors !== undefined) entrySteps.push(preflightStep(cors));
  const edit = transformation === undefined ? null : editStep(transformation);
  const {
    headers = null,
    body = null,
    replyHeaders = null,
    replyBody = null,
  } = transformation ?? {};
  const replySteps: ReplyStep[] = [];
  if (replyHeaders !== null) replySteps.push(replyFieldsStep(replyHeaders));
  if (securityHeaders !== undefined) replySteps.push(securityHeadersStep(securityHeaders));
  if (cors !== undefined) replySteps.push(corsReplyStep(cors));
  return {
    entrySteps,
    fixedReply: fixedReply === undefined ? null : fixedReplyStep(fixedReply),
    editSteps: edit === null ? [] : [edit],
    requestBody:
      body === null
        ? null
        : { maxBytes: body.maxBytes, limits: JSON_LIMITS, steps: [requestBodyStep(body)] },
    replySteps,
    replyBody:
      replyBody === null
        ? null
        : { maxBytes: replyBody.maxBytes, limits: JSON_LIMITS, edit: compileBodyEdits(replyBody) },
    droppedFields: [
      ...(headers === null ? [] : droppedNames(headers)),
      ...(body === null ? [] : DIGEST_FIELDS),
      ...(replyBody === null ? [] : PARTIAL_FIELDS),
    ],
  };
}
