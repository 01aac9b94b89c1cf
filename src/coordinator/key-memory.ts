/**
 * What the store has last said of one key whose costs replies tell, and what this gateway has in
 * flight there, for a store that has lost its state.
 *
 * Thread: coordinator. The store goes by the latest of its own answers that a gateway knows of: all
 * that was decided before is in it. So it is as if it had lost no more than what came after.
 */
import { TAKEN_DECIDED, type TakenFields } from '../channel/store/store-records.js';
import type { LeaseRule } from '../policy/rate-limit/lease.js';

/**
 * An answer that another one has overtaken comes within this time. What still seems older is from a
 * store whose clock has gone back.
 */
const LATE_MS_MAX = 2000;

/** What comes back to the store of one key. */
export interface UnitsBack {
  /** Units of the lease with this stamp and epoch. */
  readonly returned: number;
  readonly stamp: number;
  readonly epoch: number;
  /** What they have cost, in tokens; 0: they were not used. */
  readonly cost: number;
}

/** A reserve in flight that the store has given. */
export interface LostReserve {
  stamp: number;
  epoch: number;
  /** The state that gave it is lost, and no other one has it yet. */
  isLost: boolean;
  /** What its request has cost up to the reserve, which has ended since; -1: it goes on. */
  paid: number;
}

export class KeyMemory {
  /** Units that were used, reserves with them, by the last answer. */
  private used = 0;
  /** When the store decided that, by its clock, µs. */
  private atUs = 0;
  private atMs = Number.NEGATIVE_INFINITY;
  private epoch = 0;
  private lost: LostReserve[] = [];
  private isDue = false;
  /** Of the recall on its way; 0: none is. */
  private serial = 0;
  private sentMs = Number.NEGATIVE_INFINITY;

  /** The store has answered. While it recovers, or was not told, it does not know all. */
  see({ outcome, used, atUs, epoch }: TakenFields, nowMs: number): void {
    if (outcome !== TAKEN_DECIDED) return;
    const isLate = atUs < this.atUs && nowMs - this.atMs < LATE_MS_MAX;
    if (epoch === this.epoch ? isLate : this.isDue) return;
    this.used = used;
    this.atUs = atUs;
    this.atMs = nowMs;
    this.epoch = epoch;
  }

  /** The store has lost its state, and with it these reserves. */
  lose(reserves: readonly LostReserve[]): void {
    this.lost = [...reserves];
    for (const one of reserves) one.isLost = true;
    this.isDue = true;
    this.serial = 0;
  }

  /** Whether the store is to be told, and is not being told. */
  mustRecall(nowMs: number, timeoutMs: number): boolean {
    return this.isDue && (this.serial === 0 || nowMs - this.sentMs >= 2 * timeoutMs);
  }

  /** The store knows it all. */
  get isKnown(): boolean {
    return !this.isDue;
  }

  /** What is told now: what was used, less what has flowed in since, and how many are in flight. */
  recall({ unitsPerMs }: Pick<LeaseRule, 'unitsPerMs'>, nowMs: number) {
    this.lost = this.lost.filter(({ paid }) => paid < 0);
    const flowed = Math.max(0, Math.floor(nowMs - this.atMs)) * unitsPerMs;
    const isUsed = this.used > flowed;
    return {
      used: isUsed ? this.used - flowed : 0,
      atUs: isUsed ? this.atUs : 0,
      held: this.lost.length,
    };
  }

  onSent(serial: number, nowMs: number): void {
    this.serial = serial;
    this.sentMs = nowMs;
  }

  /** Whether this is the answer to the last recall. */
  isAwaiting(serial: number): boolean {
    return this.serial !== 0 && this.serial === serial;
  }

  /** There is none: it is told again. */
  onFailed(): void {
    this.serial = 0;
  }

  /**
   * The store holds what is in flight once more. Returns what comes back of that: requests that
   * have ended in between.
   */
  onRecalled({ stamp, epoch }: TakenFields): UnitsBack[] {
    const reserves = this.lost;
    this.lost = [];
    this.isDue = false;
    this.serial = 0;
    for (const one of reserves) Object.assign(one, { stamp, epoch, isLost: false });
    const ended = reserves.filter(({ paid }) => paid >= 0);
    return ended.map(({ paid }) => ({ returned: 1, stamp, epoch, cost: paid }));
  }
}
