/**
 * The targets that discovery has found, in rows that upstreams keep for them, in shared memory.
 *
 * Thread: any (both ends). The main thread writes; the coordinator writes one word of each row, by
 * which it says what it has taken; everybody reads. So addresses change without another version of
 * the configuration: which rows an upstream has is fixed by its configuration, who is in a row is
 * said here.
 *
 *     word 0            serial, moves with every change (wrapping)
 *     word 32 + 144 i   row of target i
 *     +0                stamp: owner << 2 | phase; an owner is a number that is never used again
 *                       for the row (wrapping at 2^29)
 *     +1                stamp that the coordinator goes by
 *     +2                weight
 *     +3                1: backup
 *     +4                port
 *     +5, +6            bytes of the host, bytes of the name
 *     +8 … +71          the host: an address or a name
 *     +72 … +135        the name in the Host field and in the certificate
 *
 *     phase    who may use the row                                   next
 *     FREE     nobody                                                USED (another owner)
 *     USED     everybody: the coordinator chooses it once it has     LEAVING
 *              taken the stamp
 *     LEAVING  tries that have begun; the coordinator chooses it no  FREE, USED (same owner)
 *              more once it has taken the stamp
 *
 * Invariants:
 * - Host, port and name change only while the row is FREE: a row has one address for each owner.
 * - The row's state (breaker, health, balance) is the coordinator's alone. It clears the state when
 *   it takes an owner that it did not know, and before it chooses the row.
 * - A row becomes FREE only after the coordinator has taken LEAVING, every turn given in advance is
 *   void since, and no try at it is in flight. So what a try tells of a target is never taken for
 *   another one's.
 * - A reader takes a row's content as whole only if the stamp is the same before and after.
 */
import { assert } from '../../base/assert.js';

export const SLOT_FREE = 0;
export const SLOT_USED = 1;
export const SLOT_LEAVING = 2;
export type SlotPhase = typeof SLOT_FREE | typeof SLOT_USED | typeof SLOT_LEAVING;

const LINE_WORDS = 32;
const ROW_WORDS = 144;
const TAKEN_WORD = 1;
const WEIGHT_WORD = 2;
const BACKUP_WORD = 3;
const PORT_WORD = 4;
const HOST_LENGTH_WORD = 5;
const NAME_LENGTH_WORD = 6;
const HOST_WORD = 8;
const NAME_WORD = 72;
const TEXT_BYTES_MAX = 256;

const PHASE_BITS = 2;
const PHASE_MASK = 3;
const OWNER_MAX = 2 ** 29 - 1;

/** Longest host or name, in bytes: no name of DNS is longer (RFC 1035 2.3.4). */
export const SLOT_TEXT_MAX = 253;

/** Who is in a row. */
export interface SlotTarget {
  /** An IP address without brackets, or a name. */
  readonly host: string;
  readonly port: number;
  /** What it is called in the Host field and in the certificate: an address or a name. */
  readonly name: string;
  /** At least 1. */
  readonly weight: number;
  readonly isBackup: boolean;
}

/** Pages that nobody touches cost no memory. */
export function allocateTargetSlots(targetCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer((LINE_WORDS + Math.max(1, targetCount) * ROW_WORDS) * 4);
}

/** Owner and phase of a row, in one number. */
export function phaseOf(stamp: number): SlotPhase {
  return (stamp & PHASE_MASK) as SlotPhase;
}

export function ownerOf(stamp: number): number {
  return stamp >> PHASE_BITS;
}

/** The rows, for reading. */
export class TargetSlotView {
  protected readonly words: Int32Array;
  protected readonly bytes: Buffer;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.bytes = Buffer.from(buffer);
  }

  /** Moves with every change. */
  get serial(): number {
    return Atomics.load(this.words, 0);
  }

  /** Hot path for targets from discovery: once for every try. */
  stampOf(row: number): number {
    return Atomics.load(this.words, startOf(row));
  }

  /** What the coordinator goes by. */
  takenOf(row: number): number {
    return Atomics.load(this.words, startOf(row) + TAKEN_WORD);
  }

  weightOf(row: number): number {
    return Atomics.load(this.words, startOf(row) + WEIGHT_WORD);
  }

  isBackup(row: number): boolean {
    return Atomics.load(this.words, startOf(row) + BACKUP_WORD) === 1;
  }

  /** Who is in the row, whether used or leaving; null: nobody. */
  read(row: number): SlotTarget | null {
    for (;;) {
      const stamp = this.stampOf(row);
      if (phaseOf(stamp) === SLOT_FREE) return null;
      const target = this.contentOf(row);
      if (ownerOf(this.stampOf(row)) === ownerOf(stamp)) return target;
    }
  }

  private contentOf(row: number): SlotTarget {
    const start = startOf(row);
    return {
      host: this.text(start + HOST_WORD, this.words[start + HOST_LENGTH_WORD] as number),
      port: this.words[start + PORT_WORD] as number,
      name: this.text(start + NAME_WORD, this.words[start + NAME_LENGTH_WORD] as number),
      weight: this.weightOf(row),
      isBackup: this.isBackup(row),
    };
  }

  private text(word: number, length: number): string {
    return this.bytes.toString('latin1', word * 4, word * 4 + Math.min(length, TEXT_BYTES_MAX));
  }
}

/** The coordinator's: says what it goes by. */
export class TargetSlotTaker extends TargetSlotView {
  setTaken(row: number, stamp: number): void {
    Atomics.store(this.words, startOf(row) + TAKEN_WORD, stamp);
  }
}

/** The main thread's. */
export class TargetSlotWriter extends TargetSlotView {
  /** A free row gets its next owner. Visible to others after {@link publish}, or before. */
  enter(row: number, target: SlotTarget): void {
    const stamp = this.stampOf(row);
    assert(phaseOf(stamp) === SLOT_FREE, 'only a free row gets another owner');
    const start = startOf(row);
    this.words[start + PORT_WORD] = target.port;
    this.words[start + HOST_LENGTH_WORD] = this.write(start + HOST_WORD, target.host);
    this.words[start + NAME_LENGTH_WORD] = this.write(start + NAME_WORD, target.name);
    this.rate(row, target);
    const owner = (ownerOf(stamp) + 1) & OWNER_MAX;
    this.setStamp(row, (owner << PHASE_BITS) | SLOT_USED);
  }

  /** Weight and tier may change while the row is in use. */
  rate(row: number, { weight, isBackup }: Pick<SlotTarget, 'weight' | 'isBackup'>): void {
    const start = startOf(row);
    Atomics.store(this.words, start + WEIGHT_WORD, weight);
    Atomics.store(this.words, start + BACKUP_WORD, isBackup ? 1 : 0);
  }

  /** Another phase of the same owner. */
  setPhase(row: number, phase: SlotPhase): void {
    this.setStamp(row, (ownerOf(this.stampOf(row)) << PHASE_BITS) | phase);
  }

  /** Says that something has changed. */
  publish(): void {
    Atomics.add(this.words, 0, 1);
  }

  private setStamp(row: number, stamp: number): void {
    Atomics.store(this.words, startOf(row), stamp);
  }

  private write(word: number, text: string): number {
    assert(text.length <= SLOT_TEXT_MAX, 'a host has room');
    return this.bytes.write(text, word * 4, 'latin1');
  }
}

function startOf(row: number): number {
  return LINE_WORDS + row * ROW_WORDS;
}
