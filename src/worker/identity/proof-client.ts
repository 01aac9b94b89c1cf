/**
 * A worker's end of the memory of proofs that were used, which the main thread keeps for all.
 *
 * Thread: worker. Owns the asks that wait for the main thread, a bounded number, each with a
 * deadline. A proof about which nobody answers is not believed.
 */
import type { Clock, Timer } from '../../base/clock.js';
import type { ProofUse } from '../../base/proof-use.js';
import type { IdentityRequest } from '../../channel/identity-messages.js';
import type { ProofFeed } from '../../filters/authentication/dpop/proof-feed.js';

/** More could not be answered in time. */
const ASKS_MAX = 4096;
const WAIT_MS_MAX = 5000;

interface WaitingAsk {
  readonly resolve: (use: ProofUse) => void;
  readonly timer: Timer;
}

export class ProofClient implements ProofFeed {
  private readonly waiting = new Map<number, WaitingAsk>();
  private lastAskId = 0;

  constructor(
    private readonly clock: Clock,
    private readonly post: (request: IdentityRequest) => void,
  ) {}

  use(key: string, until: number): Promise<ProofUse> {
    if (this.waiting.size >= ASKS_MAX) return Promise.resolve('unknown');
    return new Promise((resolve) => {
      const askId = ++this.lastAskId;
      const timer = this.clock.after(WAIT_MS_MAX, () => this.onReply(askId, 'unknown'));
      this.waiting.set(askId, { resolve, timer });
      this.post({ type: 'proofAsk', askId, key, until });
    });
  }

  onReply(askId: number, use: ProofUse): void {
    const ask = this.waiting.get(askId);
    if (ask === undefined) return;
    this.waiting.delete(askId);
    ask.timer.cancel();
    ask.resolve(use);
  }
}
