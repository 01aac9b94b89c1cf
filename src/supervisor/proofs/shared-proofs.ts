/**
 * Remembers which proofs were used, for this gateway and, where it is asked to, for all that share
 * the store.
 *
 * Thread: supervisor (on the main thread). Owns the memory of this gateway. Invariant: a proof is
 * called unused only by whoever has marked it as used; while the store does not answer nobody can
 * tell.
 */
import type { Clock } from '../../base/clock.js';
import type { ProofMemoryPlace, ProofUse } from '../../base/proof-use.js';
import { StoreLostError, type StoreSupervisor } from '../store-supervisor.js';
import { ProofMemory } from './proof-memory.js';

const AREA = 'proofs';
/** Another gateway may take a proof for so much longer, by its clock. */
const CLOCKS_APART_MS = 30_000;

export class SharedProofs {
  private readonly memory = new ProofMemory();

  constructor(
    /** null: no store is shared. */
    private readonly store: Pick<StoreSupervisor, 'keyOf' | 'run'> | null,
    private readonly clock: Pick<Clock, 'unixMs'>,
  ) {}

  /** `until`: seconds since 1970. */
  async use(key: string, until: number, place: ProofMemoryPlace): Promise<ProofUse> {
    const nowMs = this.clock.unixMs();
    const here = this.memory.use(key, until, nowMs / 1000);
    if (here !== 'first' || place === 'gateway') return here;
    if (this.store === null) return 'unknown';
    const lifeMs = Math.ceil(Math.max(0, until * 1000 - nowMs) + CLOCKS_APART_MS);
    try {
      const name = this.store.keyOf(AREA, key);
      const set = await this.store.run(['SET', name, 1, 'PX', lifeMs, 'NX']);
      return set === null ? 'again' : 'first';
    } catch (error) {
      if (error instanceof StoreLostError) return 'unknown';
      throw error;
    }
  }
}
