/**
 * Writes a configuration into memory that all threads share.
 *
 * Thread: supervisor or loader. Runs where the configuration is loaded, since its time grows with
 * the routes.
 */
import {
  shareCopyOfBytes,
  shareCopyOfWords,
  shareTexts,
  shareWords,
} from '../../channel/shared-texts.js';
import { PATTERNS_IN_CODE } from '../../filters/validation/linear-pattern.js';
import { shareValidation } from '../../filters/validation/options.js';
import type { SchemaInput } from '../../filters/validation/schema-code.js';
import {
  forgetSchemas,
  type SchemaDialect,
  schemaCode,
} from '../../filters/validation/schema-engine.js';
import { type RouteTableMemory, writeRouteTable } from '../../routing/route-table-writer.js';
import { ConfigError } from '../check/config-error.js';
import type {
  CompiledAnswer,
  CompiledConfig,
  CompiledLimiter,
  CompiledRoute,
} from '../compiled-config.js';
import { routePatterns } from './route-patterns.js';
import type { RouteFacts, SharedConfig } from './shared-config.js';

/** All of a limit on concurrency, in thousandths. */
const SHARE_FULL = 1000;

/** The configuration as threads read it; every part has the row that it was compiled with. */
export function shareConfig(config: CompiledConfig): SharedConfig {
  const { routes, limiters, ...settings } = config;
  const names = [routes.map(({ name }) => name), namesOfLimiters(limiters, routes)];
  const schemas = new SchemaList();
  const descriptors: string[] = [];
  const routeTexts = routes.map((route) =>
    JSON.stringify(shareDescriptors(shareRoute(route, schemas), descriptors)),
  );
  forgetSchemas();
  return {
    settings: { ...settings, facts: factsOf(config, schemas) },
    routes: shareTexts(routeTexts),
    schemas: shareTexts(schemas.codes),
    descriptors: shareTexts(descriptors),
    limiters: shareTexts(limiters.map((limiter) => JSON.stringify(limiter))),
    names: shareTexts(names.map((list) => JSON.stringify(list))),
    rows: {
      routes: rowsOf(routes),
      limiters: rowsOf(limiters),
      keySpaces: shareCopyOfWords(limiters.map(({ keySpace }) => keySpace)),
      upstreams: rowsOf(config.upstreams),
      rollouts: rowsOf(config.rollouts),
    },
    table: shareTable(writeRouteTable(routes.flatMap(routePatterns))),
  };
}

/** The codes of schemas, each of which stands once, however many routes have it. */
class SchemaList {
  readonly codes: string[] = [];
  private readonly places = new Map<string, number>();

  readonly placeOf = (schema: unknown, dialect: SchemaDialect, input: SchemaInput): number => {
    const code = schemaCode(schema, dialect, input);
    const known = this.places.get(code);
    if (known !== undefined) return known;
    const place = this.codes.push(code) - 1;
    this.places.set(code, place);
    return place;
  };
}

function shareRoute(route: CompiledRoute, { placeOf }: SchemaList): CompiledRoute {
  const { validation } = route.filters;
  if (validation === undefined) return route;
  try {
    const shared = shareValidation(validation, placeOf);
    return { ...route, filters: { ...route.filters, validation: shared } };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const place = { path: `route ${route.name}`, line: 0, column: 0 };
    throw new ConfigError('', [{ ...place, message: reason }]);
  }
}

/** Descriptors stand once, however many routes have them. */
function shareDescriptors(route: CompiledRoute, texts: string[]): CompiledRoute {
  const { grpcJson } = route.filters;
  if (grpcJson === undefined || typeof grpcJson.descriptors === 'number') return route;
  const known = texts.indexOf(grpcJson.descriptors);
  const place = known === -1 ? texts.push(grpcJson.descriptors) - 1 : known;
  return { ...route, filters: { ...route.filters, grpcJson: { ...grpcJson, descriptors: place } } };
}

/** As compiled: a part's row is its place. */
function rowsOf(parts: readonly { readonly index: number }[]): Int32Array {
  const rows = shareWords(parts.length);
  for (const [place, { index }] of parts.entries()) rows[place] = index;
  return rows;
}

function shareTable({ words, text }: RouteTableMemory): RouteTableMemory {
  return { words: shareCopyOfWords(words), text: shareCopyOfBytes(text) };
}

function factsOf({ routes, limiters }: CompiledConfig, { codes }: SchemaList): RouteFacts {
  const filters = new Set<string>();
  const byUpstream = new Map<number, Set<number>>();
  const placeLimiters = new Set(
    limiters.filter(({ algorithm }) => algorithm === 'inFlight').map(({ index }) => index),
  );
  const reserved = new Set(
    limiters.filter(({ told }) => told !== undefined).map(({ index }) => index),
  );
  let placesMax = 0;
  for (const route of routes) {
    for (const name of Object.keys(route.filters)) filters.add(name);
    const places = route.limiterIndexes.filter(
      (index) => placeLimiters.has(index) || reserved.has(index),
    ).length;
    placesMax = Math.max(placesMax, places);
    if (route.answer.kind !== 'upstream') continue;
    for (const { upstreamIndex } of placesOfAnswer(route, route.answer)) {
      const authenticators = byUpstream.get(upstreamIndex) ?? new Set<number>();
      for (const index of route.authenticators) authenticators.add(index);
      byUpstream.set(upstreamIndex, authenticators);
    }
  }
  return {
    filters: [...filters],
    hasPatterns: codes.some((code) => code.includes(PATTERNS_IN_CODE)),
    hasCaches: routes.some(({ cache }) => cache !== undefined),
    fallbacks: routes.flatMap(({ index, name, fallback }) =>
      fallback === undefined ? [] : [[index, name, fallback.upstreams.map((one) => one.name)]],
    ),
    mirrors: routes
      .filter(({ mirror }) => mirror !== undefined)
      .map(({ index, name }) => [index, name] as const),
    hasPriorities: routes.some(({ shareMax }) => shareMax < SHARE_FULL),
    placesMax,
    placeLimiters: [...placeLimiters],
    hasReserves: reserved.size > 0,
    authenticatorsByUpstream: [...byUpstream].map(([row, indexes]) => [row, [...indexes]]),
    nextKeySpace: limiters.reduce((most, { keySpace }) => Math.max(most, keySpace + 1), 0),
  };
}

/** All upstreams that requests of the route may come to. */
function placesOfAnswer(
  { mirror, fallback }: CompiledRoute,
  answer: Extract<CompiledAnswer, { kind: 'upstream' }>,
): readonly { readonly upstreamIndex: number }[] {
  const sides = answer.split?.sides ?? [answer];
  const later = fallback?.upstreams ?? [];
  return mirror === undefined ? [...sides, ...later] : [...sides, ...later, mirror];
}

/** Two limits of one route may be the same in everything: the second is another one. */
function namesOfLimiters(
  limiters: readonly CompiledLimiter[],
  routes: readonly CompiledRoute[],
): string[] {
  const routeOf = new Map<number, string>();
  for (const route of routes) {
    for (const index of route.limiterIndexes) routeOf.set(index, route.group ?? route.name);
  }
  const seen = new Map<string, number>();
  return limiters.map((limiter) => {
    const { index, keySpace: _keySpace, mode: _mode, ...counting } = limiter;
    const name = JSON.stringify([routeOf.get(index) ?? '', counting]);
    const times = seen.get(name) ?? 0;
    seen.set(name, times + 1);
    return times === 0 ? name : `${name} ${times}`;
  });
}
