/**
 * The rows of one upstream whose targets are found: who is in which, who leaves, which are free.
 *
 * Thread: supervisor (on the main thread). The only writer of these rows but for the word by which
 * the coordinator says what it has taken; the invariants are in
 * channel/coordinator/target-slots.ts.
 * What is kept here can be read from the rows again, and is when the upstream gets other rows.
 */
import { defined } from '../../base/assert.js';
import { hostPort } from '../../base/listener-address.js';
import {
  phaseOf,
  SLOT_FREE,
  SLOT_LEAVING,
  SLOT_USED,
  type TargetSlotWriter,
} from '../../channel/coordinator/target-slots.js';
import type { FoundTarget } from './address-source.js';

/**
 * A row is not given on for this long after the coordinator has let its target go. Longer than a
 * turn is good (GRANT_VALID_MS), and than a worker that hangs is left alone.
 */
export const QUARANTINE_MS = 5_000;

/** What has come of a list of targets. */
export interface RowsChange {
  readonly entered: readonly string[];
  readonly left: readonly string[];
  /** Something that others must hear of, if only a weight. */
  readonly hasChanged: boolean;
}

export class UpstreamRows {
  private rows: readonly number[] = [];
  private targetsMax = 0;
  /** By key; used and leaving. */
  private rowOf = new Map<string, number>();
  /** Rows that leave, and since when the coordinator knows; NaN: it does not. */
  private leaving = new Map<number, number>();
  private waitingCount = 0;

  /** `inFlightOf`: tries at the target of a row. */
  constructor(
    private readonly slots: TargetSlotWriter,
    private readonly inFlightOf: (row: number) => number,
  ) {}

  /** The upstream has these rows, and uses at most this number at once. */
  adopt(rows: readonly number[], targetsMax: number): void {
    this.targetsMax = targetsMax;
    if (rows.join() === this.rows.join()) return;
    this.rows = rows;
    this.rowOf = new Map();
    this.leaving = new Map();
    for (const row of rows) {
      const target = this.slots.read(row);
      if (target === null) continue;
      this.rowOf.set(keyOf(target), row);
      if (phaseOf(this.slots.stampOf(row)) === SLOT_LEAVING) this.leaving.set(row, Number.NaN);
    }
  }

  /** The targets in use. */
  get used(): FoundTarget[] {
    const all = [...this.rowOf.values()].filter((row) => !this.leaving.has(row));
    return all.flatMap((row) => this.slots.read(row) ?? []);
  }

  get usedCount(): number {
    return this.rowOf.size - this.leaving.size;
  }

  /** Targets that are gone and whose rows are not free yet. */
  get leavingCount(): number {
    return this.leaving.size;
  }

  /** Targets of the last list that found no room. */
  get waiting(): number {
    return this.waitingCount;
  }

  /** These targets and no others are used from now on, as far as there is room. */
  apply(found: readonly FoundTarget[]): RowsChange {
    const wanted = this.choose(found);
    const entered: string[] = [];
    let hasChanged = false;
    this.waitingCount = new Set(found.map(addressOf)).size - wanted.size;
    for (const [key, target] of wanted) {
      if (!this.isUsed(key)) {
        if (this.enter(key, target)) entered.push(addressOf(target));
        else this.waitingCount += 1;
      } else if (this.rate(key, target)) hasChanged = true;
    }
    const gone = [...this.rowOf].filter(([key]) => this.isUsed(key) && !wanted.has(key));
    const left = gone.map(([, row]) => this.leave(row));
    hasChanged ||= entered.length > 0 || left.length > 0;
    if (hasChanged) this.slots.publish();
    return { entered, left, hasChanged };
  }

  /** Frees rows whose targets are gone for good, and returns them. */
  sweep(nowMs: number): number[] {
    const freed: number[] = [];
    for (const [row, sinceMs] of this.leaving) {
      if (Number.isNaN(sinceMs)) {
        const isTaken = this.slots.takenOf(row) === this.slots.stampOf(row);
        if (isTaken) this.leaving.set(row, nowMs);
      } else if (nowMs - sinceMs >= QUARANTINE_MS && this.inFlightOf(row) === 0) freed.push(row);
    }
    for (const row of freed) {
      this.leaving.delete(row);
      this.slots.setPhase(row, SLOT_FREE);
    }
    if (freed.length > 0) {
      const isFreed = new Set(freed);
      this.rowOf = new Map([...this.rowOf].filter(([, row]) => !isFreed.has(row)));
      this.slots.publish();
    }
    return freed;
  }

  /** Those in use first: a longer list does not move traffic about. Each address once. */
  private choose(found: readonly FoundTarget[]): Map<string, FoundTarget> {
    const all = new Map<string, FoundTarget>();
    const addresses = new Set<string>();
    for (const target of found) {
      const address = addressOf(target);
      // Two names may point to one address: that is one target, of the name that stands first.
      if (addresses.has(address)) continue;
      addresses.add(address);
      all.set(keyOf(target), target);
    }
    if (all.size <= this.targetsMax) return all;
    const inUse = [...all].filter(([key]) => this.isUsed(key));
    const others = [...all].filter(([key]) => !this.isUsed(key));
    return new Map([...inUse, ...others].slice(0, this.targetsMax));
  }

  private isUsed(key: string): boolean {
    const row = this.rowOf.get(key);
    return row !== undefined && !this.leaving.has(row);
  }

  /** False: no row is free. One that has come back gets the row, and the state, that it had. */
  private enter(key: string, target: FoundTarget): boolean {
    const own = this.rowOf.get(key);
    if (own !== undefined) {
      this.leaving.delete(own);
      this.slots.rate(own, target);
      this.slots.setPhase(own, SLOT_USED);
      return true;
    }
    const free = this.rows.find((row) => phaseOf(this.slots.stampOf(row)) === SLOT_FREE);
    if (free === undefined) return false;
    this.slots.enter(free, target);
    this.rowOf.set(key, free);
    return true;
  }

  private rate(key: string, target: FoundTarget): boolean {
    const row = defined(this.rowOf.get(key), 'the row of a target in use');
    const { weight, isBackup } = target;
    if (this.slots.weightOf(row) === weight && this.slots.isBackup(row) === isBackup) return false;
    this.slots.rate(row, target);
    return true;
  }

  /** Returns the address. */
  private leave(row: number): string {
    const target = defined(this.slots.read(row), 'the target of a row in use');
    this.slots.setPhase(row, SLOT_LEAVING);
    this.leaving.set(row, Number.NaN);
    return addressOf(target);
  }
}

/** What makes a target the same as before: another name is another certificate. */
function keyOf(target: FoundTarget): string {
  return `${addressOf(target)} ${target.name}`;
}

/** What two targets of one upstream must not have in common. */
export function addressOf({ host, port }: FoundTarget): string {
  return hostPort(host, port);
}
