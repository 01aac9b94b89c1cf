/**
 * Which versions of the configuration a thread may still use, and which rows they have.
 *
 * Thread: supervisor. Owns the list of versions that the coordinator answers for.
 *
 * Who uses which version, and until when:
 *
 *     worker        the version in force, and each earlier one until its last request has ended
 *     coordinator   those that some worker held when it last took a version, and that version
 *     rows          a row is free again once the coordinator knows of no version that has it
 *
 * So the coordinator learns of a version before any worker uses it, and forgets a version only
 * after every worker has. The main thread clears a free row before another owner gets it.
 */
import { defined } from '../base/assert.js';
import {
  placeConfig,
  ROW_KINDS,
  type RowKind,
  type RowsByName,
  rowsOf,
  uniteConfigs,
} from '../config/compile/place-config.js';
import type { CompiledConfig } from '../config/compiled-config.js';

interface Member {
  readonly config: CompiledConfig;
  readonly rows: RowsByName;
}

/** What the coordinator answers for next. */
export interface EpochPlan {
  readonly united: CompiledConfig;
  readonly members: readonly Member[];
}

/** Rows by kind. */
export type RowLists = Readonly<Record<RowKind, readonly number[]>>;

export class EpochTable {
  /** The newest is the last. */
  private members: readonly Member[];
  private lastEpoch: number;
  private nextKeySpace: number;

  constructor(first: CompiledConfig) {
    this.members = [{ config: first, rows: rowsOf(first) }];
    this.lastEpoch = first.epoch;
    this.nextKeySpace = keySpacesAfter(0, first);
  }

  get current(): CompiledConfig {
    return defined(this.members.at(-1), 'the version in force').config;
  }

  /** Versions that the coordinator answers for, oldest first. */
  get epochs(): number[] {
    return this.members.map(({ config }) => config.epoch);
  }

  /** The next version with rows of its own. Throws NoRowsLeftError. */
  place(config: CompiledConfig): CompiledConfig {
    const epoch = this.lastEpoch + 1;
    const placed = placeConfig(config, this.rowsInUse(), {
      epoch,
      capacity: this.current.capacity,
      nextKeySpace: this.nextKeySpace,
    });
    // The number is used up even when the version never comes into force: no two versions share
    // one.
    this.lastEpoch = epoch;
    this.nextKeySpace = keySpacesAfter(this.nextKeySpace, placed);
    return placed;
  }

  /** The versions with `next`, and without earlier versions that nobody holds. */
  plan(next: CompiledConfig, isHeld: (epoch: number) => boolean): EpochPlan {
    const { current } = this;
    const kept = this.members.filter(({ config }) => config === current || isHeld(config.epoch));
    const united = uniteConfigs(
      next,
      kept.map(({ config }) => config),
    );
    return { united, members: [...kept, { config: next, rows: rowsOf(next) }] };
  }

  /**
   * The coordinator answers for the plan from now on. Returns the rows that no version has any
   * more.
   */
  take(plan: EpochPlan): RowLists {
    const before = this.rowsInUse();
    this.members = plan.members;
    const after = this.rowsInUse();
    const freed = (kind: RowKind): number[] => {
      const used = new Set(after[kind].values());
      return [...new Set(before[kind].values())].filter((row) => !used.has(row));
    };
    return {
      routes: freed('routes'),
      upstreams: freed('upstreams'),
      targets: freed('targets'),
      limiters: freed('limiters'),
    };
  }

  private rowsInUse(): RowsByName {
    const rows = {
      routes: new Map<string, number>(),
      upstreams: new Map<string, number>(),
      targets: new Map<string, number>(),
      limiters: new Map<string, number>(),
      keySpaces: new Map<string, number>(),
    };
    for (const member of this.members) {
      for (const kind of [...ROW_KINDS, 'keySpaces'] as const) {
        for (const [name, row] of member.rows[kind]) rows[kind].set(name, row);
      }
    }
    return rows;
  }
}

function keySpacesAfter(next: number, config: CompiledConfig): number {
  return config.limiters.reduce((most, { keySpace }) => Math.max(most, keySpace + 1), next);
}
