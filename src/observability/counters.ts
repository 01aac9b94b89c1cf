/**
 * THE list of what is counted, and where each figure lies in a thread's counter block.
 *
 * Thread: any (both ends). A block has one writer; whoever shows figures adds the blocks up.
 *
 *     process figures (64) │ per route (8 each) │ per target (8 each)
 */

import type { CounterBlock } from '../channel/counter-block.js';

/** Process-wide figures. */
export const COUNTERS = {
  /** Requests whose head was read, refused ones included. */
  requests: 0,
  /** Replies with a status of 500 and above, whoever made them, and replies cut off. */
  errors: 1,
  status1xx: 2,
  status2xx: 3,
  status3xx: 4,
  status4xx: 5,
  status5xx: 6,
  /** Clients that left before their reply was complete. */
  clientAborts: 7,
  /** Replies that had begun and could not be completed. */
  cutReplies: 8,
  rateLimited: 9,
  unauthorized: 10,
  circuitOpen: 11,
  noHealthyTarget: 12,
  /** Refused because lanes or tables were full. */
  shed: 13,
  /** Refused by the guard: malformed, ambiguous, too large. */
  refused: 14,
  /** Tries sent again after a kept-alive connection proved to be closed. */
  staleRetries: 15,
  upstreamConnects: 16,
  coordinatorAsks: 17,
  /** Admissions decided under a grant, without an ask. */
  grantedAdmissions: 18,
  /** Asks that got no answer in time. */
  askTimeouts: 19,
  /** Tries sent again, to another target where there is one, after one that failed. */
  retries: 20,
  /** Retries and hedges that were not made, since the budget was used up. */
  retryBudgetExhausted: 21,
  /** Second tries beside a slow first one. */
  hedges: 22,
  /** Admitted without limits since the coordinator was lost and the route says `open`. */
  openAdmissions: 23,
  /** Outcomes that the coordinator was not told, since it was down for long; none with a ticket. */
  droppedTells: 24,
} as const;

export const COUNTERS_PROCESS_MAX = 64;
export const COUNTERS_PER_ROW = 8;

/** Figures of one route. */
export const ROUTE_COUNTERS = { requests: 0, errors: 1, rateLimited: 2, unauthorized: 3 } as const;
/** Figures of one target: each try counts. */
export const TARGET_COUNTERS = { requests: 0, errors: 1, connectFailures: 2, timeouts: 3 } as const;

/** Rows of each kind: they decide how large a block is and where its rows lie. */
export interface CounterShape {
  readonly routes: number;
  readonly targets: number;
}

/** Figures in one block. */
export function counterCount(shape: CounterShape): number {
  return COUNTERS_PROCESS_MAX + (shape.routes + shape.targets) * COUNTERS_PER_ROW;
}

/** Place of a figure of ROUTE_COUNTERS. */
export function routeCounter(_shape: CounterShape, routeIndex: number, figure: number): number {
  return COUNTERS_PROCESS_MAX + routeIndex * COUNTERS_PER_ROW + figure;
}

/** Place of a figure of TARGET_COUNTERS. */
export function targetCounter(shape: CounterShape, targetIndex: number, figure: number): number {
  return COUNTERS_PROCESS_MAX + (shape.routes + targetIndex) * COUNTERS_PER_ROW + figure;
}

/** Rows of routes and targets that nobody has any more count something else next. */
export function clearCounterRows(
  block: CounterBlock,
  shape: CounterShape,
  freed: { readonly routes: readonly number[]; readonly targets: readonly number[] },
): void {
  for (const row of freed.routes) block.clear(routeCounter(shape, row, 0), COUNTERS_PER_ROW);
  for (const row of freed.targets) block.clear(targetCounter(shape, row, 0), COUNTERS_PER_ROW);
}
