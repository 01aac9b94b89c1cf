/**
 * Nonces of the gateway, which proofs must hold (RFC 9449 9): who has made proofs in advance, or
 * has a clock that is wrong, cannot use them.
 *
 * Thread: worker. Nothing is kept for a nonce: it names its time, and a keyed hash of that time
 * says that it is the gateway's. All workers, and gateways that share a store with a secret, take
 * each other's.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ProofFeed } from './proof-feed.js';

const NONCE_CHARS_MAX = 64;

/** `ageing`: it is good, and the client should get the next one. */
export type NonceState = 'good' | 'ageing' | 'bad';

export class ProofNonces {
  private readonly slotSeconds: number;
  private current = { slot: -1, text: '' };

  /** A nonce is good for `lifeSeconds`, and at least for half of that when a client gets it. */
  constructor(
    private readonly feed: Pick<ProofFeed, 'nonceKey'>,
    lifeSeconds: number,
  ) {
    this.slotSeconds = lifeSeconds / 2;
  }

  /** '': none can be made yet. */
  next(unixSeconds: number): string {
    const slot = Math.floor(unixSeconds / this.slotSeconds);
    const { nonceKey } = this.feed;
    if (nonceKey === null) return '';
    if (this.current.slot !== slot) this.current = { slot, text: nonceOf(slot, nonceKey) };
    return this.current.text;
  }

  judge(nonce: unknown, unixSeconds: number): NonceState {
    const { nonceKey } = this.feed;
    if (nonceKey === null || typeof nonce !== 'string' || nonce.length > NONCE_CHARS_MAX) {
      return 'bad';
    }
    const slot = Math.floor(unixSeconds / this.slotSeconds);
    const given = Number.parseInt(nonce.split('.', 1)[0] ?? '', 36);
    // Of the slot to come: the clock of another gateway is ahead.
    if (!(given >= slot - 1 && given <= slot + 1)) return 'bad';
    if (!isSame(nonce, nonceOf(given, nonceKey))) return 'bad';
    return given < slot ? 'ageing' : 'good';
  }
}

function nonceOf(slot: number, key: Uint8Array): string {
  const digest = createHmac('sha256', key).update(`dpop nonce ${slot}`).digest();
  return `${slot.toString(36)}.${digest.subarray(0, 16).toString('base64url')}`;
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
