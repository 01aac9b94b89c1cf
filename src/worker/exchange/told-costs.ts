/**
 * What a request has cost, under limits whose costs the replies of targets tell.
 *
 * Thread: worker. A request costs what the reply has told. Where none was told: nothing, if no
 * target has answered it, or one has with an error; else the reserve.
 */
import type { FieldBlock } from '../../base/field-block.js';
import { NO_NUMBER } from '../../base/json-number-scan.js';
import { addCost, COST_UNKNOWN, type TellCosts } from '../../channel/coordinator/tell-costs.js';
import type { Exchange } from './exchange.js';
import { ReplyCost } from './reply-cost.js';

/** From this status on a reply without a cost has cost nothing. */
const STATUS_FAILED = 400;

/** The head of a target's reply is there, and goes to the client. */
export function openCost(exchange: Exchange, status: number, fields: FieldBlock): void {
  const sources = exchange.route?.costSources ?? null;
  exchange.cost = sources === null ? null : new ReplyCost(sources, status, fields);
}

/** What the request has cost, for the coordinator. */
export function fillCosts(exchange: Exchange, costs: TellCosts): void {
  costs.count = 0;
  for (const [at, { limiterIndex }] of (exchange.route?.costSources ?? []).entries()) {
    addCost(costs, limiterIndex, costOf(exchange, at));
  }
}

/** What the access record says: the cost under the first of the limits; -1: there is none. */
export function recordedCost(exchange: Exchange): number {
  const [source] = exchange.route?.costSources ?? [];
  if (source === undefined) return -1;
  const cost = costOf(exchange, 0);
  return cost === COST_UNKNOWN ? source.reserve : cost;
}

function costOf(exchange: Exchange, source: number): number {
  const { cost, reply, tries } = exchange;
  const told = cost?.costAt(source) ?? NO_NUMBER;
  if (told !== NO_NUMBER) return told;
  if (cost === null || reply.isLocal) {
    // A client that leaves while a target works for it does not get that for nothing.
    return reply.isAborted && tries.sent > 0 ? COST_UNKNOWN : 0;
  }
  return cost.status >= STATUS_FAILED ? 0 : COST_UNKNOWN;
}
