/**
 * Several versions of the configuration as one, for whoever must answer for all of them.
 *
 * Thread: any (pure). Targets and upstreams are put together; limiters are found when one is asked
 * for.
 */
import { defined } from '../../base/assert.js';
import type { HasRow } from '../../base/rows.js';
import type { CompiledLimiter } from '../compiled-config.js';
import type { CompiledRollout } from '../compiled-split.js';
import type { LimiterLookup, ServedConfig } from './shared-config.js';

/** The part of a configuration that decisions follow from. */
export interface UnitedConfig
  extends Omit<ServedConfig, 'routes' | 'limiters' | 'rollouts' | 'schemas' | 'table'> {
  readonly limiters: LimiterLookup;
  readonly rollouts: readonly UnitedRollout[];
}

export interface UnitedRollout extends CompiledRollout {
  /** True: only versions that are not in force have it: one on trial, or one that still ends. */
  readonly isResting?: boolean;
}

/**
 * The newest of several versions, with what the others have beside it. A row that two of them have
 * is as the newer one says. `all`: the newest is the last.
 */
export function uniteConfigs(all: readonly ServedConfig[]): UnitedConfig {
  const newest = defined(all.at(-1), 'the version in force');
  const { routes: _routes, schemas: _schemas, table: _table, ...settings } = newest;
  const unite = <T extends HasRow>(listOf: (config: ServedConfig) => readonly T[]): T[] => {
    const rows = new Map<number, T>();
    for (const config of all) for (const part of listOf(config)) rows.set(part.index, part);
    return [...rows.values()];
  };
  const inForce = new Set(newest.rollouts.map(({ index }) => index));
  const rollouts = unite((config) => config.rollouts);
  return {
    ...settings,
    upstreams: unite((config) => config.upstreams),
    targets: unite((config) => config.targets),
    rollouts: rollouts.map((one) => ({ ...one, isResting: !inForce.has(one.index) })),
    limiters: new UnitedLimiters(all.map(({ limiters }) => limiters)),
    facts: {
      ...settings.facts,
      hasReserves: all.some(({ facts }) => facts.hasReserves),
      placesMax: Math.max(...all.map(({ facts }) => facts.placesMax)),
      placeLimiters: [...new Set(all.flatMap(({ facts }) => facts.placeLimiters))],
    },
  };
}

class UnitedLimiters implements LimiterLookup {
  /** `lists`: the newest is the last. */
  constructor(private readonly lists: readonly LimiterLookup[]) {}

  find(row: number): CompiledLimiter | undefined {
    for (let at = this.lists.length - 1; at >= 0; at -= 1) {
      const found = this.lists[at]?.find(row);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  rowOfSpace(keySpace: number): number {
    for (const list of this.lists) {
      const row = list.rowOfSpace(keySpace);
      if (row !== -1) return row;
    }
    return -1;
  }
}
