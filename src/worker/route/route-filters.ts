/**
 * The filters of one route, compiled into steps that the pipeline runs phase by phase.
 *
 * Thread: worker. Requests pass the filters in the order of the catalogue, replies pass them in
 * the opposite order. A list that stays empty is all that a filter costs a route without it.
 */
import { defined } from '../../base/assert.js';
import { readText, type SharedTexts, textCount } from '../../channel/shared-texts.js';
import type { CompiledRoute, GatewaySettings } from '../../config/compiled-config.js';
import type { RouteFacts } from '../../config/shared/shared-config.js';
import { type CompiledFilters, FILTERS } from '../../filters/catalog.js';
import type {
  CompressionPlan,
  EditStep,
  FilterSteps,
  ReplyStep,
  RequestBodySteps,
  RequestStep,
  RequestView,
  UploadBounds,
} from '../../filters/filter.js';
import { hasUploadRule } from '../../filters/guards/upload-rule.js';
import type { JsonLimits } from '../../filters/json-scan.js';
import type { StageSource } from '../../filters/reply-stage.js';
import type { ReplyBodyPlan } from '../../filters/transformation/json-edits.js';
import { preloadPatterns } from '../../filters/validation/linear-pattern.js';
import { SchemaJudges } from '../../filters/validation/schema-code.js';

/** For bodies that no filter of the route bounds. */
const JSON_LIMITS: JsonLimits = { maxDepth: 64, maxMembers: 100_000 };

/** How bodies are collected before they go on. */
export interface RequestBodyPlan {
  readonly limits: JsonLimits;
  /** What may have need of a body. One that has none does not bound it, and does not see it. */
  readonly parts: readonly RequestBodySteps[];
  readonly takesEmpty: boolean;
}

/** What has need of the body of this request; nothing: it goes on as it comes. */
export function partsFor(
  { parts }: RequestBodyPlan,
  request: RequestView,
): readonly RequestBodySteps[] {
  return parts.filter((part) => part.isNeeded(request));
}

/** The largest body, by all of these. */
export function bytesMaxOf(parts: readonly RequestBodySteps[]): number {
  return Math.min(...parts.map(({ maxBytes }) => maxBytes));
}

export interface RouteFilters {
  /** Before the caller is known. */
  readonly entrySteps: readonly RequestStep[];
  /** Names of the filters that these are of. */
  readonly entryNames: readonly string[];
  /** Once admitted. */
  readonly editSteps: readonly EditStep[];
  /** Names of the filters that these are of. */
  readonly editNames: readonly string[];
  /** Null: the body goes on as it comes. */
  readonly requestBody: RequestBodyPlan | null;
  /** Stages that a reply passes before it is edited. */
  readonly replyStages: readonly StageSource[];
  readonly replySteps: readonly ReplyStep[];
  readonly replyBody: ReplyBodyPlan | null;
  /** null: replies are not compressed. */
  readonly replyCoding: CompressionPlan | null;
  /** null: bodies are bounded by limits only. */
  readonly uploadBounds: UploadBounds | null;
  /** Bodies are watched while they come. */
  readonly watchesUploads: boolean;
  /** Fields of the request that do not go on as they came; lower case. */
  readonly droppedFields: readonly string[];
}

/** What makes the steps of the filters that a configuration uses, by name. */
export type LoadedFilters = ReadonlyMap<string, (options: object) => Partial<FilterSteps>>;

const NONE_LOADED: LoadedFilters = new Map();

/** What says which filters a configuration uses. */
export interface FilterUse {
  readonly facts: Pick<RouteFacts, 'filters' | 'hasPatterns'>;
  readonly filters: GatewaySettings['filters'];
  readonly schemas: SharedTexts;
  readonly descriptors: SharedTexts;
}

/** Loads what some route, or the whole gateway, has need of. `unixMs`: the wall time of steps. */
export async function loadFilters(
  { facts, filters, schemas, descriptors }: FilterUse,
  unixMs: () => number,
): Promise<LoadedFilters> {
  const used = new Set<string>([...Object.keys(filters), ...facts.filters]);
  const needed = FILTERS.filter(({ options }) => used.has(options.name));
  const judges = schemaJudges(schemas);
  const textAt = (place: number): string => readText(descriptors, place);
  if (facts.hasPatterns) preloadPatterns();
  const makers = needed.map(async ({ options, load }) => {
    const make = await load();
    return [options.name, (compiled: object) => make(compiled, unixMs, judges, textAt)] as const;
  });
  return new Map(await Promise.all(makers));
}

/** The schemas of a configuration. */
export function schemaJudges(schemas: SharedTexts): SchemaJudges {
  return new SchemaJudges(textCount(schemas), (place) => readText(schemas, place));
}

interface NamedSteps {
  readonly name: string;
  readonly steps: Partial<FilterSteps>;
}

/** Compiles what the route has configured. */
export function compileRouteFilters(
  { filters }: Pick<CompiledRoute, 'filters'>,
  loaded: LoadedFilters = NONE_LOADED,
): RouteFilters {
  const named = makeSteps(filters, loaded);
  const all = named.map(({ steps }) => steps);
  const replyBody = all.map((steps) => steps.replyBody ?? null).find((edit) => edit !== null);
  const bounds = all.map(({ upload }) => upload ?? null).find((upload) => upload !== null) ?? null;
  return {
    ...entryOf(named),
    editSteps: all.map(({ edit }) => edit ?? null).filter((step) => step !== null),
    editNames: named.filter(({ steps }) => steps.edit != null).map(({ name }) => name),
    requestBody: bodyPlan(all.map((steps) => steps.requestBody ?? null)),
    replyStages: all.map(({ replyStage }) => replyStage ?? null).filter((one) => one !== null),
    replySteps: all
      .map(({ replyHead }) => replyHead ?? null)
      .filter((step) => step !== null)
      .reverse(),
    replyBody: replyBody === undefined ? null : { ...replyBody, limits: JSON_LIMITS },
    replyCoding: all.map((steps) => steps.replyCoding ?? null).find((one) => one !== null) ?? null,
    uploadBounds: bounds,
    watchesUploads: bounds !== null && hasUploadRule(bounds),
    droppedFields: all.flatMap(({ droppedFields }) => droppedFields ?? []),
  };
}

/** Steps of the keys that hold for every request, whether a route takes it or not. */
export function compileGlobalSteps(
  filters: CompiledFilters,
  loaded: LoadedFilters,
): readonly RequestStep[] {
  return entryOf(makeSteps(filters, loaded)).entrySteps;
}

/** In the order of the catalogue. */
function makeSteps(filters: CompiledFilters, loaded: LoadedFilters): NamedSteps[] {
  const named: NamedSteps[] = [];
  for (const { options } of FILTERS) {
    const compiled: object | undefined = Reflect.get(filters, options.name);
    if (compiled === undefined) continue;
    const make = defined(loaded.get(options.name), `the filter ${options.name}`);
    named.push({ name: options.name, steps: make(compiled) });
  }
  return named;
}

function entryOf(named: readonly NamedSteps[]): Pick<RouteFilters, 'entrySteps' | 'entryNames'> {
  const entrySteps: RequestStep[] = [];
  const entryNames: string[] = [];
  for (const { name, steps } of named) {
    if (steps.enter == null) continue;
    entrySteps.push(steps.enter);
    entryNames.push(name);
  }
  return { entrySteps, entryNames };
}

/** Of several filters: the limits are those of the first that has some. */
function bodyPlan(parts: readonly (RequestBodySteps | null)[]): RequestBodyPlan | null {
  const given = parts.filter((part) => part !== null);
  if (given.length === 0) return null;
  return {
    limits: given.map(({ limits }) => limits).find((limits) => limits !== null) ?? JSON_LIMITS,
    parts: given,
    takesEmpty: given.some(({ takesEmpty }) => takesEmpty === true),
  };
}
