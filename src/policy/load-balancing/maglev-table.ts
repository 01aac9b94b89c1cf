/**
 * The lookup table of consistent hashing: which position owns which slot.
 *
 * Thread: any (pure). Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load
 * Balancer", section 3.4: each target has its own order of all slots, made from its name, and the
 * targets take turns at claiming their next free slot. Lighter targets skip turns. When a target is
 * added or removed, nearly all slots of the others stay as they are.
 */
import { assert } from '../../base/assert.js';

/** A prime far above the number of targets, so that shares are accurate to one percent. */
export const MAGLEV_SLOTS = 65_537;

export interface MaglevEntry {
  /** The name of the target; the same name claims the same slots. */
  readonly name: string;
  readonly weight: number;
}

/** For each slot the position of its entry. */
export function buildMaglevTable(entries: readonly MaglevEntry[]): Uint16Array {
  assert(entries.length > 0 && entries.length < MAGLEV_SLOTS, 'there is a slot for each target');
  const table = new Uint16Array(MAGLEV_SLOTS);
  const isTaken = new Uint8Array(MAGLEV_SLOTS);
  const heaviest = Math.max(...entries.map((entry) => entry.weight));
  const walkers = entries.map(({ name, weight }) => new Walker(name, weight / heaviest));
  let free = MAGLEV_SLOTS;
  while (free > 0) {
    for (let position = 0; position < walkers.length && free > 0; position += 1) {
      const walker = walkers[position];
      if (walker === undefined || !walker.hasTurn()) continue;
      const slot = walker.claim(isTaken);
      table[slot] = position;
      free -= 1;
    }
  }
  return table;
}

class Walker {
  private slot: number;
  private readonly skip: number;
  private turns = 0;

  constructor(
    name: string,
    private readonly weight: number,
  ) {
    this.slot = hashText(name, 0x9e3779b9) % MAGLEV_SLOTS;
    this.skip = (hashText(name, 0x85ebca6b) % (MAGLEV_SLOTS - 1)) + 1;
  }

  /**
   * Whether the target has this turn: the heaviest has every turn, others a share of the turns by
   * weight.
   */
  hasTurn(): boolean {
    this.turns += this.weight;
    if (this.turns < 1) return false;
    this.turns -= 1;
    return true;
  }

  claim(isTaken: Uint8Array): number {
    while (isTaken[this.slot] === 1) this.step();
    const { slot } = this;
    isTaken[slot] = 1;
    this.step();
    return slot;
  }

  private step(): void {
    this.slot = (this.slot + this.skip) % MAGLEV_SLOTS;
  }
}

/** FNV-1a with a seed, mixed at the end. */
function hashText(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return mixHash(hash);
}

/** Spreads a change of any bit over all of them; 32 bits without a sign. */
export function mixHash(hash: number): number {
  let mixed = hash | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
