/**
 * Gives the parts of a configuration their rows: what is the same as before keeps the row that it
 * had, and with it its state; what is new gets a row that nobody uses.
 *
 * Thread: supervisor. The only place that says what makes two parts the same:
 *
 *     route      its name                                              (figures)
 *     upstream   its name and its targets in order                     (turns)
 *     target     name of the upstream, scheme, host, port, Host field  (breaker, health, figures)
 *     limiter    route, name and everything that says how it counts    (keys and what they used)
 */
import { defined } from '../../base/assert.js';
import { byRow, type HasRow } from '../../base/rows.js';
import type {
  CompiledConfig,
  CompiledLimiter,
  CompiledRoute,
  RowCapacity,
} from '../compiled-config.js';
import { placeAnswer } from './compile-answer.js';

export type RowKind = keyof RowCapacity;

export const ROW_KINDS: readonly RowKind[] = ['routes', 'upstreams', 'targets', 'limiters'];

/** By kind: who has which row; and which key space a limiter has. */
export type RowsByName = Readonly<Record<RowKind | 'keySpaces', ReadonlyMap<string, number>>>;

export interface Placing extends Pick<CompiledConfig, 'epoch' | 'capacity'> {
  readonly nextKeySpace: number;
}

/** There are more parts, in this configuration and those still in use, than rows. */
export class NoRowsLeftError extends Error {
  constructor(kind: RowKind, capacity: number) {
    super(
      `more ${kind} than there is room for beside those in use (${capacity}); ` +
        'try again when older requests have ended, or restart',
    );
  }
}

/** Who has which row in this configuration. */
export function rowsOf(config: CompiledConfig): RowsByName {
  const names = namesOf(config);
  const rows = (kind: RowKind): ReadonlyMap<string, number> =>
    new Map(config[kind].map((part, at) => [defined(names[kind][at], 'a name'), part.index]));
  return {
    routes: rows('routes'),
    upstreams: rows('upstreams'),
    targets: rows('targets'),
    limiters: rows('limiters'),
    keySpaces: new Map(
      config.limiters.map((one, at) => [defined(names.limiters[at], 'a name'), one.keySpace]),
    ),
  };
}

/**
 * The configuration as version `epoch`, with rows beside those in use and within `capacity`. Key
 * spaces that are new are counted on from `nextKeySpace`. Throws {@link NoRowsLeftError}.
 */
export function placeConfig(
  config: CompiledConfig,
  inUse: RowsByName,
  { epoch, capacity, nextKeySpace }: Placing,
): CompiledConfig {
  const names = namesOf(config);
  let keySpaces = nextKeySpace;
  /** By the index that the part had when it was compiled. */
  const place = (kind: RowKind): readonly number[] => {
    const rows = chooseRows(kind, names[kind], inUse[kind], capacity[kind]);
    const placed: number[] = [];
    for (const [at, part] of config[kind].entries()) {
      placed[part.index] = defined(rows[at], 'a row');
    }
    return placed;
  };
  const [routes, upstreams, targets, limiters] = ROW_KINDS.map(place);
  const moved = <T extends HasRow>(part: T, rows: readonly number[] | undefined): T => ({
    ...part,
    index: rowAt(rows, part.index),
  });
  return {
    ...config,
    epoch,
    capacity,
    upstreams: config.upstreams.map((upstream) => ({
      ...moved(upstream, upstreams),
      targetIndexes: upstream.targetIndexes.map((index) => rowAt(targets, index)),
    })),
    targets: config.targets.map((target) => ({
      ...moved(target, targets),
      upstreamIndex: rowAt(upstreams, target.upstreamIndex),
    })),
    limiters: config.limiters.map((limiter, at) => ({
      ...moved(limiter, limiters),
      keySpace: inUse.keySpaces.get(defined(names.limiters[at], 'a name')) ?? keySpaces++,
    })),
    routes: config.routes.map((route) => ({
      ...moved(route, routes),
      answer: placeAnswer(route.answer, (index) => rowAt(upstreams, index)),
      limiterIndexes: route.limiterIndexes.map((index) => rowAt(limiters, index)),
    })),
  };
}

/**
 * The newest of several versions, together with the rows that only earlier ones have: for threads
 * that must answer for all of them. For a row that two versions have, the newer version counts.
 */
export function uniteConfigs(
  newest: CompiledConfig,
  others: readonly CompiledConfig[],
): CompiledConfig {
  const unite = <T extends HasRow>(listOf: (config: CompiledConfig) => readonly T[]): T[] => {
    const rows = new Map<number, T>();
    for (const config of [...others, newest]) {
      for (const part of listOf(config)) rows.set(part.index, part);
    }
    return [...rows.values()];
  };
  return {
    ...newest,
    upstreams: unite((config) => config.upstreams),
    targets: unite((config) => config.targets),
    limiters: unite((config) => config.limiters),
    routes: unite((config) => config.routes),
  };
}

function rowAt(rows: readonly number[] | undefined, index: number): number {
  return defined(rows?.[index], 'the row of a part');
}

function chooseRows(
  kind: RowKind,
  names: readonly string[],
  inUse: ReadonlyMap<string, number>,
  capacity: number,
): number[] {
  const taken = new Set(inUse.values());
  let free = 0;
  return names.map((name) => {
    const kept = inUse.get(name);
    if (kept !== undefined) return kept;
    while (taken.has(free)) free += 1;
    if (free >= capacity) throw new NoRowsLeftError(kind, capacity);
    taken.add(free);
    return free;
  });
}

/** Whether both have the same targets, in the same order; each placed or not. */
export function hasSameTargets(one: CompiledConfig, other: CompiledConfig): boolean {
  const [names, others] = [namesOf(one).upstreams, namesOf(other).upstreams];
  return names.length === others.length && names.every((name, at) => name === others[at]);
}

/** What each part is known by, in the order of the lists. */
function namesOf(config: CompiledConfig): Readonly<Record<RowKind, readonly string[]>> {
  const upstreams = byRow(config.upstreams);
  const targets = byRow(config.targets);
  const nameOfTarget = (index: number): string => {
    const { upstreamIndex, origin, authority } = defined(targets[index], 'a target');
    const { name } = defined(upstreams[upstreamIndex], 'an upstream');
    return JSON.stringify([name, origin, authority]);
  };
  return {
    routes: config.routes.map((route) => route.name),
    upstreams: config.upstreams.map((upstream) =>
      JSON.stringify([upstream.name, ...upstream.targetIndexes.map(nameOfTarget)]),
    ),
    targets: config.targets.map((target) => nameOfTarget(target.index)),
    limiters: namesOfLimiters(config.limiters, config.routes),
  };
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
