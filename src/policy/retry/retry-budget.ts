/**
 * Keeps retries a small part of all requests, so that they cannot make an outage worse.
 *
 * Thread: any (pure). Time arrives as nowMs. Each worker has one budget for each upstream.
 *
 * Requests and retries of the last WINDOW_MS are counted, in slots of SLOT_MS. The budget depends
 * on a span of time and not only on the requests in flight: a target that refuses connections ends
 * its requests so quickly that few are ever in flight together, and a budget of these alone would
 * either refuse the first retries or let one follow every request.
 * Invariant: in a window, retries <= minConcurrency + budgetPercent / 100 * requests, where
 * requests that are in flight count however long ago they began.
 */
import { assert } from '../../base/assert.js';

export const BUDGET_WINDOW_MS = 10_000;
const SLOT_MS = 1000;
const SLOT_COUNT = BUDGET_WINDOW_MS / SLOT_MS;

export interface RetryBudgetRule {
  readonly budgetPercent: number;
  readonly minConcurrency: number;
}

export class RetryBudget {
  private readonly requests = new Float64Array(SLOT_COUNT);
  private readonly retries = new Float64Array(SLOT_COUNT);
  private requestsInWindow = 0;
  private retriesInWindow = 0;
  private inFlight = 0;
  /** The newest slot. Slots are numbered from time 0 of the clock. */
  private slot = 0;

  constructor(private rule: RetryBudgetRule) {
    this.adopt(rule);
  }

  /** Takes another rule; the counts stay. */
  adopt(rule: RetryBudgetRule): void {
    assert(rule.budgetPercent >= 0 && rule.minConcurrency >= 0, 'a budget is not negative');
    this.rule = rule;
  }

  /** Hot path (bench/gateway/plain-get): once for every request. */
  onRequest(nowMs: number): void {
    this.moveTo(nowMs);
    this.inFlight += 1;
    this.requestsInWindow += 1;
    this.add(this.requests);
  }

  onRequestDone(): void {
    assert(this.inFlight > 0, 'a request ends once');
    this.inFlight -= 1;
  }

  /** Takes one retry, or one hedge, out of the budget; false: nothing is left. */
  tryTake(nowMs: number): boolean {
    this.moveTo(nowMs);
    const { budgetPercent, minConcurrency } = this.rule;
    const requests = Math.max(this.requestsInWindow, this.inFlight);
    const allowed = minConcurrency + Math.floor((budgetPercent * requests) / 100);
    if (this.retriesInWindow >= allowed) return false;
    this.retriesInWindow += 1;
    this.add(this.retries);
    return true;
  }

  private add(counts: Float64Array): void {
    const at = this.slot % SLOT_COUNT;
    counts[at] = (counts[at] as number) + 1;
  }

  private moveTo(nowMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    // These slots have passed since the last call; what they held was counted one window earlier.
    const steps = Math.min(slot - this.slot, SLOT_COUNT);
    for (let step = 1; step <= steps; step += 1) this.empty((this.slot + step) % SLOT_COUNT);
    if (slot > this.slot) this.slot = slot;
  }

  private empty(at: number): void {
    this.requestsInWindow -= this.requests[at] as number;
    this.retriesInWindow -= this.retries[at] as number;
    this.requests[at] = 0;
    this.retries[at] = 0;
  }
}
