/**
 * Who brings what is stored up to date behind the replies that it makes: one exchange for all
 * workers, by the lease of its key.
 *
 * Thread: worker. Owns the count of those under way here.
 */
import type { Clock } from '../../base/clock.js';
import type { FetchLeases } from '../../channel/cache/fetch-leases.js';
import { Caching } from '../exchange/caching.js';

/** No more at a time: what is stale meanwhile is refreshed by a later request. */
const REFRESHES_MAX = 128;

export class Refreshes {
  private count = 0;

  constructor(
    private readonly leases: Pick<FetchLeases, 'take' | 'token'>,
    private readonly clock: Pick<Clock, 'nowMs'>,
  ) {}

  /**
   * For the same key, and with its lease; to be ended by {@link end}. `heldMs`: how long it may
   * take. null: another one does it, or too many are under way.
   */
  tryBegin({ rules, key, keyHash }: Caching, heldMs: number): Caching | null {
    if (this.count >= REFRESHES_MAX) return null;
    if (this.leases.take(keyHash, this.clock.nowMs(), heldMs) !== 'taken') return null;
    const caching = new Caching(rules, key, keyHash);
    caching.leaseToken = this.leases.token;
    caching.isRefresh = true;
    this.count += 1;
    return caching;
  }

  end(): void {
    this.count -= 1;
  }
}
