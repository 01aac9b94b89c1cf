/**
 * Which histories a simulation plays: those from its first seed on, or the one of SLUICE_SIM_SEED.
 */

/** Whether only one history is played. */
export function isReplay(): boolean {
  return (process.env['SLUICE_SIM_SEED'] ?? '') !== '';
}

export function seedsOf(count: number): number[] {
  if (isReplay()) return [Number(process.env['SLUICE_SIM_SEED'])];
  return Array.from({ length: count }, (_, at) => at + 1);
}

/** Plays every seed; a failure says how to play its history again. */
export function playSeeds(count: number, play: (seed: number) => void): void {
  for (const seed of seedsOf(count)) {
    try {
      play(seed);
    } catch (error) {
      throw withSeed(seed, error);
    }
  }
}

/** The same for histories that wait for something; one after the other. */
export async function playSeedsInTurn(
  count: number,
  play: (seed: number) => Promise<unknown>,
): Promise<void> {
  for (const seed of seedsOf(count)) {
    try {
      await play(seed);
    } catch (error) {
      throw withSeed(seed, error);
    }
  }
}

function withSeed(seed: number, error: unknown): Error {
  const again = `npm run test:sim -- --seed ${seed}`;
  return new Error(`history ${seed} (${again}): ${(error as Error).message}`, { cause: error });
}

/** Random numbers that follow from a seed (mulberry32). */
export class SimRandom {
  private state: number;

  constructor(seed: number) {
    this.state = Math.imul(seed, 0x9e3779b1) | 0;
  }

  /** From 0 up to and without 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to and without `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }
}
