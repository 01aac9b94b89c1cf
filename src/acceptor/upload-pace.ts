/**
 * Whether the body of a request comes too slowly, judged by looks at it from time to time.
 *
 * Thread: acceptor. Owns what the last look has seen.
 */

/** Time between two looks at an exchange. */
export const LOOK_MS = 3000;

/** Consecutive looks at a body that is too slow after which its request is refused. */
const SLOW_LOOKS_MAX = 10;

export interface PaceRule {
  /** What a body must bring between two looks. */
  readonly bytesMin: number;
  /** The engine itself notices a client that sends nothing at all. */
  readonly isSilenceSeen: boolean;
}

export class UploadPace {
  private receivedBefore = 0;
  private slowLooks = 0;

  /**
   * One more look. `received`: bytes in all. A client is not to blame for what the gateway itself
   * holds back, which is when it is not its turn.
   */
  isTooSlow(isClientsTurn: boolean, received: number, rule: PaceRule): boolean {
    const came = received - this.receivedBefore;
    this.receivedBefore = received;
    if (!isClientsTurn || came >= rule.bytesMin) {
      this.slowLooks = 0;
      return false;
    }
    // The engine has a time for silence, which ends it. Here it only counts, once a body has begun:
    // up to then its client may wait for 100.
    const isSilent = came === 0 && rule.isSilenceSeen;
    if (isSilent && received === 0) return false;
    this.slowLooks += 1;
    return this.slowLooks >= SLOW_LOOKS_MAX && !isSilent;
  }
}
