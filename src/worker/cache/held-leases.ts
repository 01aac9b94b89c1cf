/**
 * Gives back the leases under which exchanges fetch.
 *
 * Thread: worker. Owns nothing: an exchange knows its lease.
 */
import type { Clock } from '../../base/clock.js';
import type { FetchLeases } from '../../channel/cache/fetch-leases.js';
import type { Caching } from '../exchange/caching.js';

/** How long it is remembered that a key's replies are not stored. */
const PASS_MS = 10_000;

export interface HeldLeasesParts {
  readonly leases: Pick<FetchLeases, 'giveBack' | 'pass'>;
  readonly clock: Pick<Clock, 'nowMs'>;
}

export class HeldLeases {
  /** `wake`: those who wait for this hash go on. */
  constructor(
    private readonly parts: HeldLeasesParts,
    private readonly wake: (hash: number) => void,
  ) {}

  /** Nobody is to wait for this key for a while: its replies are not for others. */
  pass(caching: Caching): void {
    if (caching.leaseToken === 0) return;
    const { leases, clock } = this.parts;
    leases.pass(caching.keyHash, clock.nowMs() + PASS_MS);
    this.giveBack(caching);
  }

  giveBack(caching: Caching): void {
    const { keyHash, leaseToken } = caching;
    if (leaseToken === 0) return;
    caching.leaseToken = 0;
    this.parts.leases.giveBack(keyHash, leaseToken);
    this.wake(keyHash);
  }
}
