/**
 * Limits over all gateways whose costs replies tell: what requests in flight hold of them.
 *
 * Thread: coordinator. Owns who holds a reserve that the store has given, in ordinary memory.
 *
 *     admitted  its reserve is in a group of the bucket (stamp), which counts until `holdMs`
 *     ended     one unit leaves the group, and the cost, up to the reserve, is debt: sent once. A
 *               reserve that came too late for its request ends so as well, without a cost
 *     beyond    what it cost beyond its reserve is debt: told again until it is confirmed
 *
 * Invariants:
 *   C1  Over any time t, over all gateways, the costs that are taken are at most
 *       burst + t * limit / window, and the debt at its end: costs beyond the reserves of requests
 *       that were in flight. Debt is paid before anybody is admitted.
 *   C2  A request costs what it told, when it ends; while the store is away, when it is back. Its
 *       reserve where nobody told it, the message about it is lost, too many wait for the store
 *       (store-takes.ts), or all that took longer than `holdMs`. Never less.
 *   C3  What it cost beyond its reserve is not lost with a message, a connection or an outage, as
 *       long as it would still be owed. One telling of a key is on its way at a time, stays the
 *       same until it is confirmed, and the store knows it by its stamp, so that it counts once. It
 *       may count twice where 64 gateways have told later, or the state in the store was just lost.
 *   C4  A unit leaves its group once, by the ticket that is settled once, and in the epoch that
 *       gave it, or that has heard of it.
 *   C5  A gateway that dies loses what its requests in flight cost beyond their reserves, and what
 *       was not told. A coordinator that ends loses the same, of what it admitted.
 *   C6  After the state in the store was lost it knows of a key what the latest of its answers said
 *       that a gateway has heard and can tell within the time in which it recovers, and of each
 *       gateway the reserves in flight (key-memory.ts). So no less is known than was used, but for
 *       what only gateways knew that do not tell it. More is: the reserves of requests that have
 *       ended since that answer, up to their costs, and what was told beyond reserves, where that
 *       was not confirmed.
 */
import { COST_UNKNOWN, type ToldCosts } from '../channel/coordinator/tell-costs.js';
import type { ClusterLimit, Lease } from './cluster-lease.js';
import type { LostReserve, UnitsBack } from './key-memory.js';

/** What one request holds of one limit. */
interface Held extends LostReserve {
  readonly limiterIndex: number;
  readonly limit: ClusterLimit;
  readonly high: number;
  readonly low: number;
  readonly atMs: number;
}

export interface CostsParts {
  leaseOf(held: Pick<Held, 'limit' | 'high' | 'low'>): Lease;
  /** The store is not told of all that the key has used. */
  tell(lease: Lease): void;
  giveBack(lease: Lease, back: UnitsBack): void;
}

export class ClusterCosts {
  /** By ticket: as many as requests in flight at most. */
  private readonly held = new Map<number, Held[]>();

  constructor(private readonly parts: CostsParts) {}

  /** The request with this ticket was admitted, by a lease or without the store. */
  hold(ticket: number, limiterIndex: number, lease: Lease, at: HoldMoment): void {
    const { limit, high, low, stamp, epoch } = lease;
    // Admitted without the store, which is told of it.
    const given = at.isLeased ? { stamp, epoch } : { stamp: 0, epoch: 0 };
    const moment = { atMs: at.nowMs, isLost: false, paid: -1 };
    const one = { limiterIndex, limit, high, low, ...given, ...moment };
    const known = this.held.get(ticket);
    if (known === undefined) this.held.set(ticket, [one]);
    else known.push(one);
  }

  /** It has ended. */
  settle(ticket: number, told: ToldCosts, nowMs: number): void {
    const all = this.held.get(ticket);
    if (all === undefined) return;
    this.held.delete(ticket);
    for (const one of all) this.settleOne(one, told.costOf(one.limiterIndex), nowMs);
  }

  /** Reserves in flight that the store has given. */
  byLease(): Map<Lease, LostReserve[]> {
    const all = new Map<Lease, LostReserve[]>();
    for (const held of [...this.held.values()].flat()) {
      if (held.stamp === 0) continue;
      const lease = this.parts.leaseOf(held);
      const known = all.get(lease);
      if (known === undefined) all.set(lease, [held]);
      else known.push(held);
    }
    return all;
  }

  private settleOne(held: Held, told: number, nowMs: number): void {
    const { stamp, epoch, limit, atMs } = held;
    const { cost: reserve, owedMs } = limit.rule;
    const cost = told === COST_UNKNOWN ? reserve : told;
    const lease = this.parts.leaseOf(held);
    if (cost > reserve) {
      lease.used.addUntold(cost - reserve, nowMs);
      this.parts.tell(lease);
    }
    if (stamp === 0) return;
    const paid = Math.min(cost, reserve);
    lease.used.settle(nowMs - atMs < owedMs ? reserve : 0, paid, nowMs);
    if (held.isLost) held.paid = paid;
    else this.parts.giveBack(lease, { returned: 1, stamp, epoch, cost: paid });
    if (cost < reserve) lease.forgetRefusal();
  }
}

export interface HoldMoment {
  /** The store has given the reserve. */
  readonly isLeased: boolean;
  readonly nowMs: number;
}
