/**
 * Settles what requests have reserved, when their replies have told what they cost.
 *
 * Thread: coordinator. Owns nothing: reserves lie in the rows of limiters, and who holds one is
 * known by the tickets of requests in flight.
 *
 * A ticket is given up once, so a tell that is seen again after a restart changes nothing. More
 * than the reserve is taken before the ticket is given up, and what comes back is added after it:
 * where the thread ends in between, a request pays too much, never too little.
 */
import type { LimitCounts } from '../channel/coordinator/limit-counts.js';
import { limitCounter } from '../channel/coordinator/limit-counts.js';
import { COST_UNKNOWN, type ToldCosts } from '../channel/coordinator/tell-costs.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import type { ClusterCosts } from './cluster-costs.js';
import type { LimiterRule } from './limiter-rules.js';
import { ReservedLimiter } from './reserved-limiter.js';
import { NO_ROW } from './state/bucket-table.js';
import type { InFlightTickets, TicketKey } from './state/in-flight-tickets.js';

const RESERVED = limitCounter('costReserved');
const SETTLED = limitCounter('costSettled');
const UNKNOWN = limitCounter('costUnknown');

/** Nobody can tell any more. */
export const ALL_UNKNOWN: ToldCosts = { costOf: () => COST_UNKNOWN };
/** The request has never been one. */
export const ALL_FREE: ToldCosts = { costOf: () => 0 };

/** A limit with a reserve. */
export interface ReservedRule {
  readonly config: CompiledLimiter;
  readonly limiter: ReservedLimiter;
}

export class Reserves {
  constructor(
    private readonly counts: LimitCounts,
    /** null: the limit has no reserves, or is in no version any more. */
    private readonly ruleOf: (limiterIndex: number) => ReservedRule | null,
    /** Of limits over all gateways; null: no store is configured. */
    private readonly shared: ClusterCosts | null,
  ) {}

  /** A request is admitted, and holds a reserve. */
  onTaken({ index, cost }: CompiledLimiter): void {
    this.counts.count(index, RESERVED, cost);
  }

  /** The request with this ticket has ended. Does nothing when the ticket was settled before. */
  settle(tickets: InFlightTickets, ticket: number, told: ToldCosts, nowMs: number): void {
    if (!tickets.isOpen(ticket)) return;
    const keys = tickets.keysOf(ticket);
    for (const key of keys) this.beforeEnd(key, told, nowMs);
    tickets.settle(ticket);
    for (const key of keys) this.afterEnd(key, told);
    this.shared?.settle(ticket, told, nowMs);
  }

  private beforeEnd([index, high, low]: TicketKey, told: ToldCosts, nowMs: number): void {
    const rule = this.ruleOf(index);
    if (rule === null) return;
    const { config, limiter } = rule;
    const cost = told.costOf(index);
    if (cost === COST_UNKNOWN) this.counts.count(index, UNKNOWN, 1);
    this.counts.count(index, SETTLED, cost === COST_UNKNOWN ? config.cost : cost);
    const base = rowOf(rule, high, low);
    if (base === NO_ROW) return;
    limiter.bringUpToDate(base, nowMs);
    if (cost > config.cost) limiter.add(base, config.cost - cost);
  }

  private afterEnd([index, high, low]: TicketKey, told: ToldCosts): void {
    const rule = this.ruleOf(index);
    const cost = told.costOf(index);
    if (rule === null || cost === COST_UNKNOWN || cost >= rule.config.cost) return;
    const base = rowOf(rule, high, low);
    if (base !== NO_ROW) rule.limiter.add(base, rule.config.cost - cost);
  }
}

/** The base of the key's row; NO_ROW: it was taken from the key meanwhile. */
function rowOf({ config, limiter }: ReservedRule, high: number, low: number): number {
  const { table } = limiter;
  table.setKey(config.keySpace, high, low);
  const row = table.find();
  return row === NO_ROW ? NO_ROW : table.baseOf(row);
}

/** A limit's rule, if it has reserves. */
export function reservedRule(
  rule: Pick<LimiterRule, 'config' | 'limiter' | 'share'> | undefined,
): ReservedRule | null {
  const limiter = rule?.limiter ?? rule?.share?.limiter;
  if (rule === undefined || !(limiter instanceof ReservedLimiter)) return null;
  return { config: rule.config, limiter };
}
