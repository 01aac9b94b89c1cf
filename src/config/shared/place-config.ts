/**
 * Gives the parts of a configuration their rows: what is the same as before keeps the row that it
 * had, and with it its state; what is new gets a row that nobody uses.
 *
 * Thread: loader. The only place that says what makes two parts the same:
 *
 *     route      its name                                              (figures)
 *     upstream   its name and its targets in order                     (turns)
 *     target     name of the upstream, scheme, host, port, Host field  (breaker, health, figures)
 *     limiter    route, name and everything that says how it counts    (keys and what they used)
 *     rollout    route, sides and pace                                 (share, phase)
 *     listener   its name                                              (connections)
 *     plugin     name, code, options and budgets                       (strikes, figures)
 */
import { defined } from '../../base/assert.js';
import { byRow, type HasRow } from '../../base/rows.js';
import { shareCopyOfWords } from '../../channel/shared-texts.js';
import type { CompiledConfig, RowCapacity } from '../compiled-config.js';
import { LISTENER_ROWS, type ListenerSettings } from '../listener-settings.js';
import { placePlugins, pluginRowsOf } from './place-plugins.js';
import { namesOf as namesOfTexts, type RouteFacts, type SharedConfig } from './shared-config.js';

export type RowKind = keyof RowCapacity;

export const ROW_KINDS: readonly RowKind[] = [
  'routes',
  'upstreams',
  'targets',
  'limiters',
  'rollouts',
];

/** By kind: who has which row; and which key space a limiter has. */
export type RowsByName = Readonly<
  Record<RowKind | 'keySpaces' | 'listeners' | 'plugins', ReadonlyMap<string, number>>
>;

export interface Placing extends Pick<CompiledConfig, 'epoch' | 'capacity'> {
  readonly nextKeySpace: number;
  /** Name of a plugin that begins anew though nothing of it has changed. */
  readonly restored?: string;
}

/** There are more parts, in this configuration and those still in use, than rows. */
export class NoRowsLeftError extends Error {
  constructor(kind: RowKind | 'listeners', capacity: number) {
    super(
      `more ${kind} than there is room for beside those in use (${capacity}); ` +
        'try again when older requests have ended, or restart',
    );
  }
}

/** Who has which row in this configuration. */
export function rowsOf({ settings, names: texts, rows }: SharedConfig): RowsByName {
  const names = namesOfTexts({ names: texts });
  const { upstreams, targets } = namesOfTargets(settings);
  return {
    routes: byName(names.routes, rows.routes),
    upstreams: byName(upstreams, settings.upstreams.map(rowOf)),
    targets: byName(targets, settings.targets.map(rowOf)),
    limiters: byName(names.limiters, rows.limiters),
    rollouts: byName(namesOfRollouts(settings), settings.rollouts.map(rowOf)),
    keySpaces: byName(names.limiters, rows.keySpaces),
    listeners: new Map(settings.listeners.map(({ name, index }) => [name, index])),
    plugins: pluginRowsOf(settings.plugins),
  };
}

/** Who has which row in any of several versions, of which the last one is the newest. */
export function rowsInUse(versions: readonly SharedConfig[]): RowsByName {
  const all = versions.map(rowsOf);
  const unite = (kind: keyof RowsByName): ReadonlyMap<string, number> =>
    new Map(all.flatMap((rows) => [...rows[kind]]));
  return {
    routes: unite('routes'),
    upstreams: unite('upstreams'),
    targets: unite('targets'),
    limiters: unite('limiters'),
    rollouts: unite('rollouts'),
    keySpaces: unite('keySpaces'),
    listeners: unite('listeners'),
    plugins: unite('plugins'),
  };
}

/**
 * The configuration as version `epoch`, with rows beside those in use and within `capacity`. Key
 * spaces that are new are counted on from `nextKeySpace`. `shared` has the rows that it was
 * compiled with. Throws {@link NoRowsLeftError}.
 */
export function placeConfig(
  shared: SharedConfig,
  inUse: RowsByName,
  { epoch, capacity, nextKeySpace, restored }: Placing,
): SharedConfig {
  const { settings } = shared;
  const rollouts = namesOfRollouts(settings);
  const names = { ...namesOfTexts(shared), ...namesOfTargets(settings), rollouts };
  const place = (kind: RowKind): readonly number[] =>
    chooseRows(kind, names[kind], inUse[kind], capacity[kind]);
  const rows = {
    routes: place('routes'),
    upstreams: place('upstreams'),
    targets: place('targets'),
    limiters: place('limiters'),
    rollouts: place('rollouts'),
  };
  let free = nextKeySpace;
  const keySpaces = names.limiters.map((name) => inUse.keySpaces.get(name) ?? free++);
  return {
    ...shared,
    settings: {
      ...settings,
      epoch,
      capacity,
      listeners: placeListeners(settings.listeners, inUse.listeners),
      plugins: placePlugins(settings.plugins, inUse.plugins, restored),
      upstreams: settings.upstreams.map((upstream) => ({
        ...upstream,
        index: rowAt(rows.upstreams, upstream.index),
        targetIndexes: upstream.targetIndexes.map((index) => rowAt(rows.targets, index)),
      })),
      targets: settings.targets.map((target) => ({
        ...target,
        index: rowAt(rows.targets, target.index),
        upstreamIndex: rowAt(rows.upstreams, target.upstreamIndex),
      })),
      rollouts: settings.rollouts.map((one) => ({
        ...one,
        index: rowAt(rows.rollouts, one.index),
      })),
      facts: placeFacts(settings.facts, rows, free),
    },
    rows: {
      routes: shareCopyOfWords(rows.routes),
      limiters: shareCopyOfWords(rows.limiters),
      keySpaces: shareCopyOfWords(keySpaces),
      upstreams: shareCopyOfWords(rows.upstreams),
      rollouts: shareCopyOfWords(rows.rollouts),
    },
  };
}

/**
 * Rows go round: connections of a listener that is gone may still send a request, which must not
 * be taken for one of another listener.
 */
function placeListeners(
  listeners: readonly ListenerSettings[],
  inUse: ReadonlyMap<string, number>,
): ListenerSettings[] {
  const taken = new Set(inUse.values());
  let next = Math.max(-1, ...taken);
  return listeners.map((listener) => {
    const kept = inUse.get(listener.name);
    if (kept !== undefined) return { ...listener, index: kept };
    if (taken.size >= LISTENER_ROWS) throw new NoRowsLeftError('listeners', LISTENER_ROWS);
    do next = (next + 1) % LISTENER_ROWS;
    while (taken.has(next));
    taken.add(next);
    return { ...listener, index: next };
  });
}

function placeFacts(
  facts: RouteFacts,
  rows: Readonly<Record<RowKind, readonly number[]>>,
  nextKeySpace: number,
): RouteFacts {
  return {
    ...facts,
    nextKeySpace,
    fallbacks: facts.fallbacks.map(
      ([index, name, upstreams]) => [rowAt(rows.routes, index), name, upstreams] as const,
    ),
    mirrors: facts.mirrors.map(([index, name]) => [rowAt(rows.routes, index), name] as const),
    placeLimiters: facts.placeLimiters.map((index) => rowAt(rows.limiters, index)),
    authenticatorsByUpstream: facts.authenticatorsByUpstream.map(
      ([index, authenticators]) => [rowAt(rows.upstreams, index), authenticators] as const,
    ),
  };
}

function byName(names: readonly string[], rows: ArrayLike<number>): ReadonlyMap<string, number> {
  return new Map(names.map((name, at) => [name, defined(rows[at], 'a row')]));
}

function rowOf({ index }: HasRow): number {
  return index;
}

function rowAt(rows: readonly number[], index: number): number {
  return defined(rows[index], 'the row of a part');
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

/** Another pace is another rollout: it begins anew. A guard may change while one is under way. */
function namesOfRollouts({ rollouts }: Pick<CompiledConfig, 'rollouts'>): string[] {
  return rollouts.map(({ index: _index, guard: _guard, ...rest }) => JSON.stringify(rest));
}

/** Upstreams and targets of a configuration, placed or not. */
type Targets = Pick<CompiledConfig, 'upstreams' | 'targets'>;

/** Whether both have the same targets, in the same order; each placed or not. */
export function hasSameTargets(one: Targets, other: Targets): boolean {
  const [names, others] = [namesOfTargets(one).upstreams, namesOfTargets(other).upstreams];
  return names.length === others.length && names.every((name, at) => name === others[at]);
}

/** What each is known by, in the order of the lists. */
function namesOfTargets(config: Targets): Readonly<Record<keyof Targets, readonly string[]>> {
  const upstreams = byRow(config.upstreams);
  const targets = byRow(config.targets);
  const nameOfTarget = (index: number): string => {
    const { upstreamIndex, origin, authority } = defined(targets[index], 'a target');
    const { name } = defined(upstreams[upstreamIndex], 'an upstream');
    return JSON.stringify([name, origin, authority]);
  };
  return {
    upstreams: config.upstreams.map((upstream) =>
      JSON.stringify([upstream.name, ...upstream.targetIndexes.map(nameOfTarget)]),
    ),
    targets: config.targets.map((target) => nameOfTarget(target.index)),
  };
}
