/**
 * The only list of counters, and the place of each figure in a thread's counter block.
 *
 * Thread: any (both ends). A block has one writer; the reader adds the blocks up.
 *
 *     process (64) │ cache by reason (72) │ problems (96) │ loop delay (24) │ routes (88 each) │
 *     targets (32 each) │ upstreams (8 each) │ methods of gRPC (call-counters.ts)
 *
 *     row of a route    15 requests, method class by status class
 *                       +16 rateLimited … (ROUTE_COUNTERS)   +20 duration, a histogram
 *                       +40 opened … (WEBSOCKET_COUNTERS)    +48 closes by code
 *                       +64 what the cache did (CACHE_RESULTS)
 *                       +72 copied … (MIRROR_COUNTERS)
 *                       +80 first … (FALLBACK_COUNTERS)
 *     row of a target   +0 requests … (TARGET_COUNTERS)      +8 time to the head, a histogram
 *     histogram (20)    18 buckets by upper bound, one above all, the sum in milliseconds
 *
 * Before the rows of routes stand a row of routes that no longer exist and a row of requests that
 * matched no route; before the rows of upstreams stands a row of upstreams that no longer exist. A
 * figure that is a sum of others has no counter: requests, errors and statuses come from the rows
 * of routes, refusals from the problems.
 */

import { REASONS_MAX } from '../base/cache-reasons.js';
import { isIdempotentMethod, isSafeMethod } from '../base/http-method.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import type { CounterBlock } from '../channel/counter-block.js';
import { CALL_FIGURES } from './call-counters.js';

/** Figures of a thread. */
export const COUNTERS = {
  /** Records read from the thread's end of the lane. */
  laneRecords: 0,
  /** Times that the thread woke the other end of the lane. */
  laneWakes: 1,
  /** Cut replies with a status below 500: these count as errors too. */
  cutGoodReplies: 2,
  /** Milliseconds for which the event loop was busy. */
  loopActiveMs: 3,
  /** Bytes of the thread's JavaScript heap in use: a level. */
  heapUsedBytes: 4,
  /** Log lines that were lost. */
  droppedLogLines: 5,
  /** Requests whose spans are exported. */
  sampledRequests: 6,
  /** Clients that left before their reply was complete. */
  clientAborts: 7,
  /** Replies that had begun and could not be completed. */
  cutReplies: 8,
  /** Tries sent again after a kept-alive connection proved to be closed. */
  staleRetries: 15,
  upstreamConnects: 16,
  coordinatorAsks: 17,
  /** Admissions under a grant, without an ask. */
  grantedAdmissions: 18,
  /** Asks that got no answer in time. */
  askTimeouts: 19,
  /**
   * Requests admitted without limits because the coordinator was lost and the route says `open`.
   */
  openAdmissions: 23,
  /** Requests that ended with 500 because a filter threw. */
  filterErrors: 24,
  /** Requests that a filter refused or answered. */
  filterReplies: 25,
  /**
   * Outcomes that the coordinator was not told because it was down for long; none with a ticket.
   */
  droppedTells: 26,
  /** Refusals by an earlier verdict of the coordinator, without an ask. */
  repeatedRefusals: 27,
  /** Fields of requests that were dropped for an underscore in their names. */
  droppedFields: 28,
  /** Replies that went out as they were, since too many others were being compressed. */
  uncompressedReplies: 40,
  /** Replies from memory that were fresh. */
  cacheHits: 50,
  /** The same that were stale. */
  cacheStale: 51,
  /** The same after their targets had said that they are still good. */
  cacheRevalidated: 52,
  /** Requests that a target answered since nothing that is stored did. */
  cacheMisses: 53,
  /** Requests of routes with a cache that it did not concern. */
  cacheBypassed: 54,
  /** Requests that waited for what another one fetched. */
  cacheCollapsed: 55,
  cacheStored: 56,
  /** Stored replies that went to make room for others. */
  cacheEvicted: 57,
  /** Bytes of bodies that went out from memory. */
  cacheBytes: 58,
  /** Requests of the gateway's own by which what is stored was brought up to date. */
  cacheRefreshes: 59,
  /** Those of them that brought nothing. */
  cacheRefreshFailures: 60,
  /** Replies from memory that went out compressed as they lay there. */
  cacheForms: 61,
  /** Requests that were delayed on purpose, and those that were refused so. */
  faultDelays: 62,
  faultAborts: 63,
} as const;

/** Figures of a thread by reason: of the first of each list of base/cache-reasons.ts. */
export const CACHE_REASON_COUNTERS = {
  bypassed: 64,
  /** Requests that nothing stored has answered. */
  missed: 64 + REASONS_MAX,
  notStored: 64 + 2 * REASONS_MAX,
} as const;

/** Figures of a thread by content coding: of the first of CODINGS; the others follow it. */
export const CODING_COUNTERS = {
  /** Replies that were compressed. */
  replies: 41,
  /** Bytes of their bodies, before and after. */
  bytesIn: 44,
  bytesOut: 47,
} as const;

/** What a request of a route with a cache counts as. */
export type CacheCounter =
  | 'cacheHits'
  | 'cacheStale'
  | 'cacheRevalidated'
  | 'cacheMisses'
  | 'cacheBypassed';

export const COUNTERS_PROCESS_MAX = 64 + 3 * REASONS_MAX;
const PROBLEMS_MAX = 96;
const LOOP_DELAY = COUNTERS_PROCESS_MAX + PROBLEMS_MAX;
const ROUTES = LOOP_DELAY + 24;
const ROUTE_FIGURES = 88;
const TARGET_FIGURES = 32;
const UPSTREAM_FIGURES = 8;

/** Index of the row of requests that matched no route. */
export const NO_ROUTE = -1;
/** Index of the row of routes that no longer exist. */
export const RETIRED_ROUTES = -2;
/** Index of the row of upstreams that no longer exist. */
export const RETIRED_UPSTREAMS = -1;

/** Figures of one route, beside its requests by class and their duration. */
export const ROUTE_COUNTERS = {
  rateLimited: 16,
  unauthorized: 17,
  /** Replies that were event streams; those of them that are open are the difference. */
  eventStreamsOpened: 18,
  eventStreamsEnded: 19,
} as const;
const ROUTE_DURATION = 20;
/** Figures of the WebSockets of one route: bytes and messages as they came from either side. */
export const WEBSOCKET_COUNTERS = {
  opened: 40,
  /** In the block of a worker that has ended: as many as were opened. */
  closed: 41,
  messagesUp: 42,
  messagesDown: 43,
  bytesUp: 44,
  bytesDown: 45,
} as const;
const WEBSOCKET_CLOSES = 48;
const SERVICE_RESTART = 1012;
/** What the cache did for a request of one route, in the order of their figures. */
export const CACHE_RESULTS = ['hit', 'stale', 'revalidated', 'miss', 'bypass'] as const;
export type CacheResult = (typeof CACHE_RESULTS)[number];
const ROUTE_CACHE = 64;
const ROUTE_COLLAPSED = ROUTE_CACHE + CACHE_RESULTS.length;
/** Codes of a Close that are told apart (RFC 6455 7.4.1); the last stands for all others. */
export const CLOSE_CODES: readonly number[] = [
  1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 0,
];
/** Figures of the copies of one route's requests. */
export const MIRROR_COUNTERS = {
  copied: 72,
  /** Not copied since too many were in flight. */
  dropped: 73,
  /** Not copied since their bodies are too long, or for no body at all: WebSockets. */
  skipped: 74,
  /** Copies without a whole reply. */
  failed: 75,
  compared: 76,
  otherStatus: 77,
  otherFields: 78,
  otherBody: 79,
} as const;
/** Figures of the requests of one route that its upstream has failed at. */
export const FALLBACK_COUNTERS = {
  /** Gone on to the first upstream of `fallback`; those after it follow, four in all. */
  first: 80,
  /** Not sent to another one, since they may have been done already. */
  refused: 84,
} as const;
/** Figures of one target; each try counts. */
export const TARGET_COUNTERS = { requests: 0, errors: 1, connectFailures: 2, timeouts: 3 } as const;
const TARGET_LATENCY = 8;
/** Figures of one upstream. */
export const UPSTREAM_COUNTERS = {
  /** Tries after a failed one, at another target where there is one. */
  retries: 0,
  /** Retries and hedges that were not made because the budget was used up. */
  retryBudgetExhausted: 1,
  /** Second tries beside a slow first one. */
  hedges: 2,
} as const;

/** Methods by the effect that they may have on a target (RFC 9110 section 9.2). */
export const METHOD_CLASSES = ['safe', 'idempotent', 'other'] as const;
export const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/**
 * Upper bounds of the buckets of every histogram, in milliseconds. The first four are finer than
 * the exported ones, so that percentiles of a fast gateway mean something.
 */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000,
];

/**
 * The number of rows of each kind, which decides the size of a block and the places of its rows.
 */
export interface CounterShape {
  readonly routes: number;
  readonly targets: number;
  readonly upstreams: number;
}

/** Figures in one block. */
export function counterCount(shape: CounterShape): number {
  return callsAt(shape) + CALL_FIGURES;
}

/** Place of the rows of methods of gRPC: see call-counters.ts. */
export function callsAt(shape: CounterShape): number {
  return upstreamsAt(shape) + (shape.upstreams + 1) * UPSTREAM_FIGURES;
}

/** Place of a problem's figure. */
export function problemCounter(kind: ProblemKind): number {
  return COUNTERS_PROCESS_MAX + problemIndex(kind);
}

/** Place of a figure of CODING_COUNTERS. `codingIndex`: in the list of codings. */
export function codingCounter(figure: number, codingIndex: number): number {
  return figure + codingIndex;
}

/** The index of the problem in PROBLEMS. */
export function problemIndex(kind: ProblemKind): number {
  return PROBLEM_INDEXES.get(kind) ?? 0;
}

/** Place of the histogram of the thread's event loop delay. */
export function loopDelayHistogram(): number {
  return LOOP_DELAY;
}

/** Place of the requests of a route, or of NO_ROUTE, by method and status. */
export function requestCounter(routeIndex: number, method: string, status: number): number {
  const statusClass = status >= 100 && status < 600 ? Math.floor(status / 100) - 1 : 4;
  return requestClassCounter(routeIndex, methodClassOf(method), statusClass);
}

/** Place of the requests of a route, by the indexes of the classes. */
export function requestClassCounter(
  routeIndex: number,
  methodClass: number,
  statusClass: number,
): number {
  return rowOfRoute(routeIndex) + methodClass * STATUS_CLASSES.length + statusClass;
}

/** Place of a figure of ROUTE_COUNTERS. */
export function routeCounter(routeIndex: number, figure: number): number {
  return rowOfRoute(routeIndex) + figure;
}

/**
 * A thread begins, and has neither event streams nor WebSockets open: those of the one before it
 * have ended, the latter with 1012.
 */
export function endStreams(block: CounterBlock, shape: CounterShape): void {
  const { eventStreamsOpened, eventStreamsEnded } = ROUTE_COUNTERS;
  for (let row = RETIRED_ROUTES; row < shape.routes; row++) {
    const opened = block.read(routeCounter(row, eventStreamsOpened));
    block.put(routeCounter(row, eventStreamsEnded), opened);
    endWebSockets(block, row);
  }
}

/** WebSockets that are open, of all routes. */
export function openWebSockets(block: CounterBlock, shape: Pick<CounterShape, 'routes'>): number {
  const { opened, closed } = WEBSOCKET_COUNTERS;
  let open = 0;
  for (let row = RETIRED_ROUTES; row < shape.routes; row += 1) {
    open += block.read(routeCounter(row, opened)) - block.read(routeCounter(row, closed));
  }
  return open;
}

function endWebSockets(block: CounterBlock, row: number): void {
  const opened = block.read(routeCounter(row, WEBSOCKET_COUNTERS.opened));
  const closed = block.read(routeCounter(row, WEBSOCKET_COUNTERS.closed));
  block.put(routeCounter(row, WEBSOCKET_COUNTERS.closed), opened);
  block.add(closeCounter(row, SERVICE_RESTART), opened - closed);
}

/** Place of a route's sockets that ended with this code. */
export function closeCounter(routeIndex: number, code: number): number {
  const known = CLOSE_CODES.indexOf(code);
  const place = known === -1 ? CLOSE_CODES.length - 1 : known;
  return rowOfRoute(routeIndex) + WEBSOCKET_CLOSES + place;
}

/** Place of a route's requests for which the cache did this. */
export function cacheResultCounter(routeIndex: number, result: CacheResult): number {
  return rowOfRoute(routeIndex) + ROUTE_CACHE + CACHE_RESULTS.indexOf(result);
}

/** Place of those of them that waited for what another one fetched. */
export function collapsedCounter(routeIndex: number): number {
  return rowOfRoute(routeIndex) + ROUTE_COLLAPSED;
}

/** Place of the histogram of a route's durations, from head to the end of the reply. */
export function durationHistogram(routeIndex: number): number {
  return rowOfRoute(routeIndex) + ROUTE_DURATION;
}

/** Place of a figure of TARGET_COUNTERS. */
export function targetCounter(shape: CounterShape, targetIndex: number, figure: number): number {
  return targetsAt(shape) + targetIndex * TARGET_FIGURES + figure;
}

/**
 * Clears rows without an owner. Their counts move to the row of removed ones, so that sums never
 * fall.
 */
export function retireCounterRows(
  block: CounterBlock,
  shape: CounterShape,
  freed: Readonly<Record<'routes' | 'targets' | 'upstreams', readonly number[]>>,
): void {
  const retiredRoutes = rowOfRoute(RETIRED_ROUTES);
  for (const row of freed.routes) block.retire(rowOfRoute(row), ROUTE_FIGURES, retiredRoutes);
  const retiredUpstreams = upstreamCounter(shape, RETIRED_UPSTREAMS, 0);
  for (const row of freed.upstreams) {
    block.retire(upstreamCounter(shape, row, 0), UPSTREAM_FIGURES, retiredUpstreams);
  }
  for (const row of freed.targets) block.clear(targetCounter(shape, row, 0), TARGET_FIGURES);
}

/** Place of the histogram of times from the beginning of a try to the head of its reply. */
export function targetLatencyHistogram(shape: CounterShape, targetIndex: number): number {
  return targetsAt(shape) + targetIndex * TARGET_FIGURES + TARGET_LATENCY;
}

/** Place of a figure of UPSTREAM_COUNTERS. */
export function upstreamCounter(
  shape: CounterShape,
  upstreamIndex: number,
  figure: number,
): number {
  return upstreamsAt(shape) + (upstreamIndex + 1) * UPSTREAM_FIGURES + figure;
}

function rowOfRoute(routeIndex: number): number {
  return ROUTES + (routeIndex + 2) * ROUTE_FIGURES;
}

function targetsAt(shape: CounterShape): number {
  return rowOfRoute(shape.routes);
}

function upstreamsAt(shape: CounterShape): number {
  return targetsAt(shape) + shape.targets * TARGET_FIGURES;
}

function methodClassOf(method: string): number {
  if (isSafeMethod(method)) return 0;
  return isIdempotentMethod(method) ? 1 : 2;
}

const PROBLEM_INDEXES: ReadonlyMap<ProblemKind, number> = new Map(
  Object.values(PROBLEMS).map((kind, index) => [kind, index]),
);
