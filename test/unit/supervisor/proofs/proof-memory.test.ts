import { describe, expect, it } from 'vitest';
import { ProofMemory } from '../../../../src/supervisor/proofs/proof-memory.js';

const NOW = 1_800_000_000;

describe('the memory of used proofs', () => {
  it('lets each be used once, until it would be refused for its age', () => {
    const memory = new ProofMemory();
    expect(memory.use('a', NOW + 60, NOW)).toBe('first');
    expect(memory.use('b', NOW + 60, NOW)).toBe('first');
    for (const later of [0, 30, 60, 60.9]) {
      expect(memory.use('a', NOW + 60, NOW + later)).toBe('again');
    }
    expect(memory.size).toBe(2);
    memory.use('c', NOW + 200, NOW + 100);
    expect(memory.size).toBe(1);
  });

  it('brings nothing back when the clock goes back', () => {
    const memory = new ProofMemory();
    memory.use('a', NOW + 60, NOW);
    memory.use('b', NOW + 2000, NOW + 1000);
    expect(memory.use('a', NOW + 60, NOW)).toBe('again');
    expect(memory.use('new', NOW + 60, NOW)).toBe('again');
  });

  it('knows nothing of further ones when it is full, and forgets none for them', () => {
    const memory = new ProofMemory(2);
    expect(memory.use('a', NOW + 60, NOW)).toBe('first');
    expect(memory.use('b', NOW + 70, NOW)).toBe('first');
    expect(memory.use('c', NOW + 70, NOW)).toBe('unknown');
    expect(memory.use('a', NOW + 60, NOW)).toBe('again');
    expect(memory.use('c', NOW + 130, NOW + 62)).toBe('first');
  });
});
