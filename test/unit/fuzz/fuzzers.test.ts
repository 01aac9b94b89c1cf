import { describe, expect, it } from 'vitest';
import { FUZZERS } from '../../fuzz/fuzzers.js';
import { mutate, seeded } from '../../fuzz/mutations.js';

const CASES = 20_000;

describe('mutated inputs', () => {
  it.each(Object.entries(FUZZERS))('break no rule: %s', (_name, fuzz) => {
    const seed = Date.now() % 1_000_000;
    const random = seeded(seed);
    for (let count = 0; count < CASES; count++) {
      const wrong = fuzz(random);
      if (wrong !== '') expect.fail(`seed ${seed}, input ${count}: ${wrong}`);
    }
  });

  it('follow from their seed, and differ', () => {
    const made = (seed: number): string[] => {
      const random = seeded(seed);
      return Array.from({ length: 100 }, () => mutate('GET / HTTP/1.1', random));
    };
    expect(made(1)).toEqual(made(1));
    expect(new Set(made(1)).size).toBeGreaterThan(80);
    expect(made(1)).not.toEqual(made(2));
  });
});
