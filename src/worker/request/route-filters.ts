/**
 * The filters of one route, compiled into steps; where each feature has its place in the pipeline.
 *
 * Thread: worker. A list that stays empty is all that a feature costs a route without it.
 */
import { defined } from '../../base/assert.js';
import type {
  CompiledConfig,
  CompiledFilters,
  CompiledRoute,
} from '../../config/compiled-config.js';
import { corsReplyStep, preflightStep } from '../../filters/cors/cors.js';
import type {
  BodyStep,
  EditStep,
  ReplyStep,
  RequestStep,
  RequestView,
} from '../../filters/filter.js';
import { guardStep } from '../../filters/guards/guards.js';
import type { CompiledGuards } from '../../filters/guards/options.js';
import { hasUploadRule } from '../../filters/guards/upload-rule.js';
import { ipFilterStep } from '../../filters/ip-filter/ip-filter.js';
import type { JsonLimits } from '../../filters/json-scan.js';
import { securityHeadersStep } from '../../filters/security-headers/security-headers.js';
import {
  type BodyEditor,
  compileBodyEdits,
  requestBodyStep,
} from '../../filters/transformation/body-edits.js';
import {
  droppedNames,
  editStep,
  replyFieldsStep,
} from '../../filters/transformation/transformation.js';
import type { CompiledValidation } from '../../filters/validation/options.js';
import type { ValidationSteps } from '../../filters/validation/validation.js';
import { deprecationStep, sunsetStep, varyStep } from '../../filters/versioning/deprecation.js';

/** For bodies that are changed but not validated. */
const JSON_LIMITS: JsonLimits = { maxDepth: 64, maxMembers: 100_000 };

/** A body that is collected before it goes on. */
export interface RequestBodyPlan {
  readonly maxBytes: number;
  readonly limits: JsonLimits;
  readonly steps: readonly BodyStep[];
  /** Whether the body of this request is to be collected. */
  isNeeded(request: RequestView): boolean;
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
  /** Once admitted. */
  readonly editSteps: readonly EditStep[];
  /** Null: the body goes on as it comes. */
  readonly requestBody: RequestBodyPlan | null;
  readonly replySteps: readonly ReplyStep[];
  readonly replyBody: ReplyBodyPlan | null;
  /** null: bodies are bounded by limits only. */
  readonly guards: CompiledGuards | null;
  /** Bodies are watched while they come. */
  readonly watchesUploads: boolean;
  /** Fields of the request that do not go on as they came; lower case. */
  readonly droppedFields: readonly string[];
}

/** What says how a body is encoded, or what it adds up to: no longer true once it is changed. */
const DIGEST_FIELDS = ['content-md5', 'digest', 'content-digest', 'repr-digest'];
/** By these a target would send a part of a document, or a coded one. */
const PARTIAL_FIELDS = ['accept-encoding', 'range', 'if-range'];

/** Filters whose libraries are loaded only where some route needs them. */
export interface LoadedFilters {
  readonly createValidation: CreateValidation | null;
  /** By which field of the request versions are told; empty: by none. */
  readonly varyField: string;
}

type CreateValidation = (options: CompiledValidation) => ValidationSteps;

/** Loads what the routes need. */
export async function loadFilters({ routes, versioning }: CompiledConfig): Promise<LoadedFilters> {
  const varyField = varyFieldOf(versioning);
  if (routes.every(({ filters }) => filters.validation === undefined)) {
    return { ...NONE_LOADED, varyField };
  }
  const { createValidation } = await import('../../filters/validation/validation.js');
  return { createValidation, varyField };
}

const NONE_LOADED: LoadedFilters = { createValidation: null, varyField: '' };

function varyFieldOf(versioning: CompiledConfig['versioning']): string {
  if (versioning === null || versioning.by === 'path') return '';
  return versioning.by === 'header' ? versioning.header : 'Accept';
}

/** Compiles what the route has configured. */
export function compileRouteFilters(
  { filters, version }: CompiledRoute,
  loaded: LoadedFilters = NONE_LOADED,
): RouteFilters {
  const { ipFilter, cors, securityHeaders, transformation } = filters;
  const { guards, deprecation } = filters;
  const validation =
    filters.validation === undefined
      ? null
      : defined(loaded.createValidation, 'the validation filter')(filters.validation);
  const entrySteps: RequestStep[] = [];
  if (ipFilter !== undefined) entrySteps.push(ipFilterStep([ipFilter]));
  if (cors !== undefined) entrySteps.push(preflightStep(cors));
  const sunset = deprecation === undefined ? null : sunsetStep(deprecation);
  if (sunset !== null) entrySteps.push(sunset);
  if (guards !== undefined) entrySteps.push(guardStep(guards));
  const edit = transformation === undefined ? null : editStep(transformation);
  const {
    headers = null,
    body = null,
    replyHeaders = null,
    replyBody = null,
  } = transformation ?? {};
  const replySteps: ReplyStep[] = [];
  if (replyHeaders !== null) replySteps.push(replyFieldsStep(replyHeaders));
  if (deprecation !== undefined) replySteps.push(deprecationStep(deprecation));
  if (loaded.varyField !== '' && version !== undefined) replySteps.push(varyStep(loaded.varyField));
  if (securityHeaders !== undefined) replySteps.push(securityHeadersStep(securityHeaders));
  if (cors !== undefined) replySteps.push(corsReplyStep(cors));
  return {
    entrySteps,
    editSteps: [validation?.head, edit].filter((step) => step != null),
    requestBody: bodyPlan(validation, filters),
    replySteps,
    replyBody:
      replyBody === null
        ? null
        : { maxBytes: replyBody.maxBytes, limits: JSON_LIMITS, edit: compileBodyEdits(replyBody) },
    guards: guards ?? null,
    watchesUploads: guards !== undefined && hasUploadRule(guards),
    droppedFields: [
      ...(headers === null ? [] : droppedNames(headers)),
      ...(body === null ? [] : DIGEST_FIELDS),
      ...(replyBody === null ? [] : PARTIAL_FIELDS),
    ],
  };
}

/** A body is judged before it is changed. */
function bodyPlan(
  judge: ValidationSteps | null,
  { validation, transformation }: CompiledFilters,
): RequestBodyPlan | null {
  const check = judge?.body ?? null;
  const edits = transformation?.body ?? null;
  const steps = [check, edits === null ? null : requestBodyStep(edits)].filter(
    (step) => step !== null,
  );
  if (steps.length === 0) return null;
  return {
    maxBytes: Math.min(
      check === null ? Number.POSITIVE_INFINITY : (validation?.maxBodyBytes ?? 0),
      edits?.maxBytes ?? Number.POSITIVE_INFINITY,
    ),
    limits: check === null ? JSON_LIMITS : (validation ?? JSON_LIMITS),
    steps,
    isNeeded: (request) => edits !== null || (judge?.needsBody(request) ?? false),
  };
}
