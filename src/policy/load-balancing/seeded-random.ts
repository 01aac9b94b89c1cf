/**
 * Random numbers that are determined by a seed.
 *
 * Thread: any (pure). Mulberry32: fast, and even enough for balancing, but not fit for secrets.
 */

/** Numbers from 0 (included) to 1 (excluded); the same seed gives the same numbers. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
