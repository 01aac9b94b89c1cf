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
import type { CompiledConfig } from '../config/compiled-config.js';
import { ROW_KINDS, type RowKind } from '../config/shared/place-config.js';
import {
  openConfig,
  type ServedConfig,
  type SharedConfig,
} from '../config/shared/shared-config.js';

interface Member {
  readonly shared: SharedConfig;
  readonly config: ServedConfig;
}

/** Which versions the coordinator is to answer for next. */
export interface EpochPlan {
  readonly members: readonly Member[];
}

/** Rows by kind. */
export type RowLists = Readonly<Record<RowKind, readonly number[]>>;

/** What a version is given when it is made. */
export interface NextVersion {
  readonly epoch: number;
  readonly capacity: CompiledConfig['capacity'];
  readonly nextKeySpace: number;
  /** Versions whose rows are in use, oldest first; the last is in force. */
  readonly versions: readonly SharedConfig[];
}

export class EpochTable {
  /** The newest is the last. */
  private members: readonly Member[];
  private lastEpoch: number;
  private nextKeySpace: number;

  constructor(first: SharedConfig) {
    this.members = [memberOf(first)];
    this.lastEpoch = first.settings.epoch;
    this.nextKeySpace = first.settings.facts.nextKeySpace;
  }

  get current(): ServedConfig {
    return this.newest.config;
  }

  private get newest(): Member {
    return defined(this.members.at(-1), 'the version in force');
  }

  /** Of all versions, those of the newest one last. */
  get plugins(): SharedConfig['settings']['plugins'] {
    return this.members.flatMap(({ config }) => config.plugins);
  }

  /** Versions that the coordinator answers for, oldest first. */
  get epochs(): number[] {
    return this.members.map(({ config }) => config.epoch);
  }

  /**
   * The number and the rows of the next version. No two versions get one number, whether or not
   * they come into force.
   */
  beginVersion(): NextVersion {
    this.lastEpoch += 1;
    return {
      epoch: this.lastEpoch,
      capacity: this.current.capacity,
      nextKeySpace: this.nextKeySpace,
      versions: this.members.map(({ shared }) => shared),
    };
  }

  /** What there is while `next` is tried: what is in force stays the newest, whose word counts. */
  planTrial(next: SharedConfig, isHeld: (epoch: number) => boolean): EpochPlan {
    const { members } = this.plan(next, isHeld);
    const [inForce, tried] = members.slice(-2);
    return {
      members: [...members.slice(0, -2), defined(tried, 'a trial'), defined(inForce, 'a version')],
    };
  }

  /** What there is when `next` comes; earlier versions that nobody holds are left out. */
  plan(next: SharedConfig, isHeld: (epoch: number) => boolean): EpochPlan {
    this.nextKeySpace = Math.max(this.nextKeySpace, next.settings.facts.nextKeySpace);
    const { current } = this;
    const others = this.members.filter(({ shared }) => shared !== next);
    const kept = others.filter(({ config }) => config === current || isHeld(config.epoch));
    return { members: [...kept, memberOf(next)] };
  }

  /** Rows that the next version keeps for targets to be found, and that no version has now. */
  newSlots({ targets }: Pick<SharedConfig['settings'], 'targets'>): number[] {
    const used = new Set(
      this.members.flatMap(({ config }) => config.targets.map(({ index }) => index)),
    );
    const slots = targets.filter(({ isSlot, index }) => isSlot && !used.has(index));
    return slots.map(({ index }) => index);
  }

  /** The coordinator answers for the plan from now on; the rows that nobody has any more. */
  take(plan: EpochPlan): RowLists {
    const before = this.members;
    this.members = plan.members;
    const freed = (kind: RowKind): number[] => {
      const capacity = this.current.capacity[kind];
      const after = marks(this.members, kind, capacity);
      const used = marks(before, kind, capacity);
      const rows: number[] = [];
      used.forEach((isUsed, row) => {
        if (isUsed === 1 && after[row] === 0) rows.push(row);
      });
      return rows;
    };
    const [routes, upstreams, targets, limiters, rollouts] = ROW_KINDS.map(freed);
    return {
      routes: routes ?? [],
      upstreams: upstreams ?? [],
      targets: targets ?? [],
      limiters: limiters ?? [],
      rollouts: rollouts ?? [],
    };
  }
}

function memberOf(shared: SharedConfig): Member {
  return { shared, config: openConfig(shared) };
}

/** 1 for each row that one of the members has. */
function marks(members: readonly Member[], kind: RowKind, capacity: number): Uint8Array {
  const used = new Uint8Array(capacity);
  for (const { shared, config } of members) {
    if (kind === 'routes' || kind === 'limiters') {
      for (const row of shared.rows[kind]) used[row] = 1;
    } else for (const { index } of config[kind]) used[index] = 1;
  }
  return used;
}
