/**
 * All filters. Who does something with each of them loops over this list.
 *
 * Thread: any (pure). The order is that of the pipeline, and stands here alone: a request passes
 * the filters from the first to the last in each phase, its reply from the last to the first. What
 * is loaded of a filter is what its options need; its steps, and their libraries, are loaded where
 * some route has need of them.
 */
import { COMPRESSION } from './compression/options.js';
import { CORS } from './cors/options.js';
import type { FilterSteps } from './filter.js';
import type { AnyFilterOptions, CompiledOf } from './filter-options.js';
import { GRPC } from './grpc/options.js';
import { GRPC_JSON } from './grpc-json/options.js';
import { GUARDS } from './guards/options.js';
import { IP_FILTER } from './ip-filter/options.js';
import { REQUEST_BUFFERING } from './request-buffering/options.js';
import { SECURITY_HEADERS } from './security-headers/options.js';
import { TRANSFORMATION } from './transformation/options.js';
import { VALIDATION } from './validation/options.js';
import type { SchemaJudges } from './validation/schema-code.js';
import { DEPRECATION, VERSIONING } from './versioning/options.js';

/** The descriptors at a place of the configuration, in base64. */
export type ReadDescriptors = (place: number) => string;

/**
 * Compiles options of one route into steps. `unixMs` tells the wall time, at any later moment;
 * `judges` are the schemas of the configuration.
 */
export type StepMaker = {
  make(
    options: object,
    unixMs: () => number,
    judges: SchemaJudges,
    descriptors: ReadDescriptors,
  ): Partial<FilterSteps>;
}['make'];

export interface Filter<O extends AnyFilterOptions = AnyFilterOptions> {
  readonly options: O;
  /** Loads what makes its steps. */
  readonly load: () => Promise<StepMaker>;
}

type StepMakerOf<O extends AnyFilterOptions> = {
  make(
    options: CompiledOf<O>,
    unixMs: () => number,
    judges: SchemaJudges,
    descriptors: ReadDescriptors,
  ): FilterSteps<O['places'][number]>;
}['make'];

/** Steps have to be at the places that the options name, and nowhere else. */
function filter<O extends AnyFilterOptions>(
  options: O,
  load: () => Promise<StepMakerOf<O>>,
): Filter<O> {
  return { options, load };
}

const CATALOG = [
  filter(IP_FILTER, async () => (await import('./ip-filter/ip-filter.js')).ipFilterSteps),
  filter(CORS, async () => (await import('./cors/cors.js')).corsSteps),
  filter(SECURITY_HEADERS, async () => {
    return (await import('./security-headers/security-headers.js')).securityHeadersSteps;
  }),
  filter(VERSIONING, async () => (await import('./versioning/deprecation.js')).versionSteps),
  filter(DEPRECATION, async () => (await import('./versioning/deprecation.js')).deprecationSteps),
  filter(GRPC, async () => (await import('./grpc/grpc.js')).grpcSteps),
  filter(GRPC_JSON, async () => (await import('./grpc-json/grpc-json.js')).grpcJsonSteps),
  filter(GUARDS, async () => (await import('./guards/guards.js')).guardsSteps),
  filter(VALIDATION, async () => (await import('./validation/validation.js')).validationSteps),
  filter(TRANSFORMATION, async () => {
    return (await import('./transformation/transformation.js')).transformationSteps;
  }),
  filter(REQUEST_BUFFERING, async () => {
    return (await import('./request-buffering/request-buffering.js')).requestBufferingSteps;
  }),
  filter(COMPRESSION, async () => (await import('./compression/steps.js')).compressionSteps),
] as const;

export const FILTERS: readonly Filter[] = CATALOG;

type Catalog = (typeof CATALOG)[number]['options'];

/** What filters of one route, or of the whole gateway, are compiled to. */
export type CompiledFilters = {
  readonly [O in Catalog as O['name']]?: CompiledOf<O>;
};

/** The schemas of all keys that filters give to a route. */
export const ROUTE_FILTER_NODES = Object.assign(
  {},
  ...CATALOG.map(({ options }) => options.route),
) as Merged<Catalog['route']>;

/** The schemas of all keys that filters give to the whole gateway. */
export const GATEWAY_FILTER_NODES = Object.assign(
  {},
  ...CATALOG.map(({ options }) => options.gateway),
) as Merged<Catalog['gateway']>;

/** One record of several. */
type Merged<U> = { readonly [K in KeyOf<U> & string]: ValueAt<U, K> };
type KeyOf<U> = U extends unknown ? keyof U : never;
type ValueAt<U, K extends string> = U extends { readonly [Key in K]: infer V } ? V : never;
