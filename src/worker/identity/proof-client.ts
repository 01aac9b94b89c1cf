/**
 * A worker's end of the memory of proofs that were used, which the main thread keeps for all.
 *
 * Thread: worker. Owns the asks that wait for the main thread. A proof about which nobody answers
 * is not believed.
 */
import type { Clock } from '../../base/clock.js';
import type { ProofMemoryPlace, ProofUse } from '../../base/proof-use.js';
import type { IdentityRequest } from '../../channel/identity-messages.js';
import type { ProofFeed } from '../../filters/authentication/dpop/proof-feed.js';
import { WaitingAsks, type WaitingRule } from './waiting-asks.js';

const RULE: WaitingRule<ProofUse> = {
  ...{ asksMax: 4096, waitMs: 5000, whenFull: 'unknown', whenLate: 'unknown' },
};

export class ProofClient implements ProofFeed {
  nonceKey: Uint8Array | null = null;
  private readonly asks: WaitingAsks<ProofUse>;

  constructor(
    clock: Clock,
    private readonly post: (request: IdentityRequest) => void,
  ) {
    this.asks = new WaitingAsks(clock, RULE);
  }

  use(key: string, until: number, place: ProofMemoryPlace): Promise<ProofUse> {
    return this.asks.ask((askId) => this.post({ type: 'proofAsk', askId, key, until, place }));
  }

  onReply(askId: number, use: ProofUse): void {
    this.asks.onReply(askId, use);
  }
}
