/**
 * Decides by one limit that counts over all gateways: by what the store has said, and without it as
 * the limit's `onStoreLost` says.
 *
 * Thread: coordinator. Owns nothing but the rule of its part: leases belong to ClusterLimits, rows
 * to their table.
 *
 * The part of a gateway is a limit of its own, by rows of its own: other than the whole limit they
 * are kept by the number of gateways too, since another number makes another limit.
 *
 * Short limits begin with their parts when nothing counts any more that the store has given, and
 * nobody is given these parts: they are exact (cluster-lease.ts). With long ones nobody would want
 * to wait for that. In their first window without the store no more is admitted of a key than this
 * gateway's part of what was left when the store was last heard, and no more than the part less
 * what this gateway has used: others may have used the rest.
 */
import { assert, defined } from '../base/assert.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import { shareOf } from '../policy/rate-limit/lease.js';
import { CLUSTER_REFUSES, CLUSTER_UNKNOWN, type Lease } from './cluster-lease.js';
import type { ClusterLimits } from './cluster-limits.js';
import { BY_LEASE, BY_NOTHING, BY_ROW, type LimitCase } from './limit-case.js';
import type { Limiter } from './limiter.js';
import { createLimiter } from './limiters.js';
import type { HeldCounts } from './reserved-limiter.js';
import type { BucketTable } from './state/bucket-table.js';

/** When a client that is refused for the store's sake may ask again. */
const LOST_RETRY_MS = 1000;
const GOLDEN = 0x9e3779b1;

export class ClusterShare {
  /** What the part is made for. */
  private nodes = 0;
  private part: Limiter | null = null;
  private readonly onStoreLost: NonNullable<CompiledLimiter['cluster']>['onStoreLost'];

  constructor(
    private readonly config: CompiledLimiter,
    private readonly table: BucketTable,
    private readonly cluster: ClusterLimits,
    private readonly held: HeldCounts,
  ) {
    this.onStoreLost = defined(config.cluster, 'a limit over all gateways').onStoreLost;
  }

  /** By what rows of this limit are read; the last number of gateways counts. */
  get limiter(): Limiter {
    return this.partOf(this.nodes === 0 ? this.cluster.nodes : this.nodes);
  }

  /**
   * Fills in the decision. False: this gateway's part of the limit decides, by the row that the
   * case names then.
   */
  decides(one: LimitCase, nowMs: number): boolean {
    const { limiterIndex, high, low, decision } = one;
    const { cluster } = this;
    one.lease = cluster.leaseOf(limiterIndex, high, low);
    const verdict = one.lease?.peek(nowMs, decision) ?? CLUSTER_UNKNOWN;
    if (verdict !== CLUSTER_UNKNOWN) {
      one.kind = BY_LEASE;
      decision.admitted = verdict !== CLUSTER_REFUSES;
      return true;
    }
    one.lease ??= cluster.leaseFor(limiterIndex, high, low);
    if (this.onStoreLost === 'share' && cluster.mayShare(one.lease.limit.quietMs, nowMs)) {
      const { nodes } = cluster;
      one.kind = BY_ROW;
      one.limiter = this.partOf(nodes);
      one.low = (low ^ Math.imul(nodes, GOLDEN)) | 0;
      return false;
    }
    one.kind = BY_NOTHING;
    const isOpen = this.onStoreLost === 'open';
    decision.admitted = isOpen;
    decision.admissionsLeft = isOpen ? one.lease.limit.rule.admissions : 0;
    decision.remaining = isOpen ? Math.floor(this.config.limit) : 0;
    decision.resetMs = isOpen ? 0 : LOST_RETRY_MS;
    decision.retryAfterMs = decision.resetMs;
    return true;
  }

  /** Whether what was left lets this gateway's part be used. */
  allows(one: LimitCase, nowMs: number): boolean {
    const lease = defined(one.lease ?? undefined, 'the key of a limit over all gateways');
    if (lease.limit.quietMs > 0 && this.cluster.nodes > 1) return true;
    const untilMs = lease.beginAlone(nowMs, this.cluster.nodes);
    if (nowMs >= untilMs || lease.allowance >= 1) return true;
    const { decision } = one;
    decision.admitted = false;
    decision.admissionsLeft = 0;
    decision.remaining = 0;
    decision.resetMs = Math.max(1, Math.ceil(untilMs - nowMs));
    decision.retryAfterMs = decision.resetMs;
    return false;
  }

  /** An admission without the store. */
  note(lease: Lease, nowMs: number): void {
    lease.allowance -= 1;
    this.cluster.noteUntold(lease, nowMs);
  }

  private partOf(nodes: number): Limiter {
    if (this.part !== null && this.nodes === nodes) return this.part;
    const { algorithm } = this.config;
    assert(algorithm !== 'inFlight', 'requests in flight are counted by each gateway');
    const part = shareOf({ ...this.config, algorithm }, nodes);
    this.nodes = nodes;
    this.part = createLimiter({ ...this.config, ...part }, this.table, this.held);
    return this.part;
  }
}
