/**
 * Remembers which proofs were used, for all workers, until each would be refused for its age.
 *
 * Thread: supervisor (on the main thread). Owns a bounded number of them. Invariant: none is
 * forgotten before its time. A full memory knows nothing of further ones, and a clock that goes
 * back does not bring back what was forgotten.
 */
import type { ProofUse } from '../../base/proof-use.js';

/** At a window of a minute this is enough for 8,000 requests with proofs in a second. */
const PROOFS_MAX = 500_000;

export class ProofMemory {
  private readonly used = new Set<string>();
  /** By the second in which they may be forgotten. */
  private readonly bySecond = new Map<number, string[]>();
  private forgottenTo = 0;

  constructor(private readonly proofsMax = PROOFS_MAX) {}

  get size(): number {
    return this.used.size;
  }

  /** Both times are seconds since 1970. */
  use(key: string, until: number, now: number): ProofUse {
    this.forget(Math.floor(now));
    if (this.used.has(key)) return 'again';
    const second = Math.ceil(until) + 1;
    // It may have been used, and been forgotten since.
    if (second <= this.forgottenTo) return 'again';
    if (this.used.size >= this.proofsMax) return 'unknown';
    this.used.add(key);
    const others = this.bySecond.get(second);
    if (others === undefined) this.bySecond.set(second, [key]);
    else others.push(key);
    return 'first';
  }

  private forget(now: number): void {
    if (now <= this.forgottenTo) return;
    this.forgottenTo = now;
    for (const [second, keys] of this.bySecond) {
      if (second > now) continue;
      for (const key of keys) this.used.delete(key);
      this.bySecond.delete(second);
    }
  }
}
