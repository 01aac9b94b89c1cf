/**
 * A configuration in memory that all threads share, and how a thread reads it.
 *
 * Thread: any (both ends). Written once by share-config.ts. What grows with the routes is never
 * copied to a thread, nor looked at as a whole there: a route or a limiter is made from its text
 * when it is asked for.
 *
 *     settings   plain data: upstreams, targets and everything else that is not a list of routes
 *     routes     one JSON text a route, in the order of the file; so with limiters
 *     schemas    the code of each schema that routes name by its place
 *     descriptors   those of gRPC that routes name by their place, in base64
 *     names      two JSON texts: what routes and what limiters are known by from one version to
 *                the next
 *     rows       by place in the lists: which row a route or limiter has, and a limiter's key space
 *     table      the route table; what it finds is a place in the list of routes
 */
import { defined } from '../../base/assert.js';
import type { HasRow, PartList, RowLookup } from '../../base/rows.js';
import { readText, type SharedTexts, textCount } from '../../channel/shared-texts.js';
import type { RouteTableMemory } from '../../routing/route-table-writer.js';
import type {
  CompiledAnswer,
  CompiledLimiter,
  CompiledRoute,
  GatewaySettings,
} from '../compiled-config.js';

import type { CompiledFallback } from '../compiled-fallback.js';
import type { CompiledMirror } from '../compiled-mirror.js';

/** What is known of all routes together, so that nobody has to look at each of them. */
export interface RouteFacts {
  /** Filters that some route has. */
  readonly filters: readonly string[];
  /** Some schema has a pattern. */
  readonly hasPatterns: boolean;
  /** Some route is shed before others. */
  readonly hasPriorities: boolean;
  /** Some route has a cache. */
  readonly hasCaches: boolean;
  /** Row and name of each route with fallbacks, and the names of their upstreams. */
  readonly fallbacks: readonly (readonly [number, string, readonly string[]])[];
  /** Row and name of each route whose requests are copied. */
  readonly mirrors: readonly (readonly [number, string])[];
  /** Limits on requests in flight, and with reserves, that one route has at most. */
  readonly placesMax: number;
  /** Rows of the limiters of requests in flight. */
  readonly placeLimiters: readonly number[];
  /** Some limit has a reserve: replies tell what its requests cost. */
  readonly hasReserves: boolean;
  /** Row of an upstream, and the authenticators of all its routes. */
  readonly authenticatorsByUpstream: readonly (readonly [number, readonly number[]])[];
  /** Key spaces that are taken: the next one is this. */
  readonly nextKeySpace: number;
}

/** The part of a configuration that is plain data in every thread. */
export interface SharedSettings extends GatewaySettings {
  readonly facts: RouteFacts;
}

/** Rows by place in the list of the configuration as it was compiled. */
export interface SharedRows {
  readonly routes: Int32Array;
  readonly limiters: Int32Array;
  readonly keySpaces: Int32Array;
  readonly upstreams: Int32Array;
  readonly rollouts: Int32Array;
}

/** What crosses threads: nothing in it is copied but the settings. */
export interface SharedConfig {
  readonly settings: SharedSettings;
  readonly routes: SharedTexts;
  readonly limiters: SharedTexts;
  readonly schemas: SharedTexts;
  readonly descriptors: SharedTexts;
  readonly names: SharedTexts;
  readonly rows: SharedRows;
  readonly table: RouteTableMemory;
}

/** Limiters by row, and by key space. */
export interface LimiterLookup extends RowLookup<CompiledLimiter> {
  /** -1: nobody has the key space any more. */
  rowOfSpace(keySpace: number): number;
}

/** A configuration as a thread uses it. Parts of the lists are made when they are asked for. */
export interface ServedConfig extends SharedSettings {
  readonly routes: PartList<CompiledRoute> & RowLookup<CompiledRoute>;
  readonly limiters: PartList<CompiledLimiter> & LimiterLookup;
  /** Code of schemas, see filters/validation/schema-code.ts. */
  readonly schemas: SharedTexts;
  /** Descriptors of gRPC in base64, see filters/grpc-json/. */
  readonly descriptors: SharedTexts;
  readonly table: RouteTableMemory;
}

/** The configuration for this thread. Takes no longer for more routes. */
export function openConfig({
  settings,
  routes,
  limiters,
  schemas,
  descriptors,
  rows,
  table,
}: SharedConfig): ServedConfig {
  return {
    ...settings,
    schemas,
    descriptors,
    table,
    routes: new TextList(routes, rows.routes, (part, place) =>
      placedRoute(part as CompiledRoute, place, rows),
    ),
    limiters: new LimiterList(limiters, rows),
  };
}

/** Bytes of memory that threads share for it. */
export function sharedBytesOf(config: SharedConfig): number {
  const { routes, limiters, schemas, descriptors, names, rows, table } = config;
  const texts = [routes, limiters, schemas, descriptors, names];
  const arrays = [...texts.flatMap(Object.values), ...Object.values(rows), table.words, table.text];
  return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** The names of the parts, in the order of the lists. */
export function namesOf({ names }: Pick<SharedConfig, 'names'>): {
  readonly routes: readonly string[];
  readonly limiters: readonly string[];
} {
  const [routes, limiters] = [0, 1].map((place) => JSON.parse(readText(names, place)) as string[]);
  return { routes: defined(routes, 'the names'), limiters: defined(limiters, 'the names') };
}

class TextList<T extends HasRow> implements PartList<T>, RowLookup<T> {
  readonly length: number;
  /** Place plus one by row, made when a row is looked for. */
  private places: Int32Array | null = null;

  constructor(
    private readonly texts: SharedTexts,
    private readonly rows: Int32Array,
    private readonly revive: (part: unknown, place: number) => T,
  ) {
    this.length = textCount(texts);
  }

  at(place: number): T | undefined {
    if (place < 0 || place >= this.length) return undefined;
    return this.revive(JSON.parse(readText(this.texts, place)), place);
  }

  find(row: number): T | undefined {
    this.places ??= placesOf(this.rows);
    const place = this.places[row] ?? 0;
    return place === 0 ? undefined : this.at(place - 1);
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let place = 0; place < this.length; place += 1) {
      yield defined(this.at(place), 'the part of a list');
    }
  }
}

class LimiterList extends TextList<CompiledLimiter> implements LimiterLookup {
  /** Made when a key space is looked for. */
  private rowBySpace: ReadonlyMap<number, number> | null = null;

  constructor(
    texts: SharedTexts,
    private readonly rowsOfAll: SharedRows,
  ) {
    super(texts, rowsOfAll.limiters, (part, place) =>
      placedLimiter(part as CompiledLimiter, place, rowsOfAll),
    );
  }

  rowOfSpace(keySpace: number): number {
    const { keySpaces, limiters } = this.rowsOfAll;
    this.rowBySpace ??= new Map(
      Array.from(keySpaces, (space, place) => [space, rowAt(limiters, place)]),
    );
    return this.rowBySpace.get(keySpace) ?? -1;
  }
}

function placesOf(rows: Int32Array): Int32Array {
  const places = new Int32Array(rows.reduce((most, row) => Math.max(most, row), 0) + 1);
  for (let place = 0; place < rows.length; place += 1) places[rowAt(rows, place)] = place + 1;
  return places;
}

function placedRoute(route: CompiledRoute, place: number, rows: SharedRows): CompiledRoute {
  return {
    ...route,
    index: rowAt(rows.routes, place),
    answer: placeAnswer(route.answer, rows),
    ...(route.fallback !== undefined && { fallback: placeFallback(route.fallback, rows) }),
    ...(route.mirror !== undefined && { mirror: placeMirror(route.mirror, rows) }),
    limiterIndexes: route.limiterIndexes.map((at) => rowAt(rows.limiters, at)),
  };
}

function placeAnswer(answer: CompiledAnswer, { upstreams, rollouts }: SharedRows): CompiledAnswer {
  if (answer.kind !== 'upstream') return answer;
  const { split } = answer;
  const upstreamIndex = rowAt(upstreams, answer.upstreamIndex);
  if (split === undefined) return { ...answer, upstreamIndex };
  const sides = split.sides.map((side) => ({
    ...side,
    upstreamIndex: rowAt(upstreams, side.upstreamIndex),
  }));
  const rollout = split.rollout === undefined ? {} : { rollout: rowAt(rollouts, split.rollout) };
  return { ...answer, upstreamIndex, split: { ...split, sides, ...rollout } };
}

function placeFallback(fallback: CompiledFallback, { upstreams }: SharedRows): CompiledFallback {
  const placed = fallback.upstreams.map((one) => ({
    ...one,
    upstreamIndex: rowAt(upstreams, one.upstreamIndex),
  }));
  return { ...fallback, upstreams: placed };
}

function placeMirror(mirror: CompiledMirror, { upstreams }: SharedRows): CompiledMirror {
  return { ...mirror, upstreamIndex: rowAt(upstreams, mirror.upstreamIndex) };
}

function placedLimiter(limiter: CompiledLimiter, place: number, rows: SharedRows): CompiledLimiter {
  return {
    ...limiter,
    index: rowAt(rows.limiters, place),
    keySpace: rowAt(rows.keySpaces, place),
  };
}

function rowAt(rows: Int32Array, place: number): number {
  return defined(rows[place], 'the row of a part');
}
