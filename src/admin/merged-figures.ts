/**
 * The sums of all threads' figures, as /stats, /metrics and the dashboard show them.
 *
 * Thread: supervisor (on the main thread). Only reads the counter blocks: no thread is asked, and
 * nobody waits.
 */

import { CODINGS, type Coding } from '../base/content-codings.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import { CounterBlock } from '../channel/counter-block.js';
import { type CountedCalls, readCalls } from '../observability/call-counters.js';
import {
  CACHE_RESULTS,
  CLOSE_CODES,
  CODING_COUNTERS,
  COUNTERS,
  type CounterShape,
  cacheResultCounter,
  callsAt,
  closeCounter,
  codingCounter,
  collapsedCounter,
  durationHistogram,
  LATENCY_BOUNDS_MS,
  METHOD_CLASSES,
  problemCounter,
  RETIRED_ROUTES,
  ROUTE_COUNTERS,
  requestClassCounter,
  routeCounter,
  STATUS_CLASSES,
  WEBSOCKET_COUNTERS,
} from '../observability/counters.js';
import type { WebSocketFigures } from './websocket-samples.js';

/** Rows of routes that are read without a pause. */
const ROWS_PER_STEP = 64;

const SERVER_ERRORS = STATUS_CLASSES.indexOf('5xx');

/** Requests by status class (1xx to 5xx), and the sums of these counts. */
export interface RequestTotals {
  readonly requests: number;
  /** Requests with a status of 500 or above, or with a cut reply. */
  readonly errors: number;
  readonly byStatusClass: readonly number[];
}

export interface Histogram {
  /** A figure for each of LATENCY_BOUNDS_MS, then one for amounts above them all. */
  readonly buckets: readonly number[];
  readonly count: number;
  readonly sumMs: number;
}

/** Replies that were compressed, and bytes of their bodies before and after. */
export interface CodingFigures {
  readonly replies: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What the cache did for the requests of a route: by CACHE_RESULTS, and how many have waited. */
export interface RouteCacheFigures {
  readonly results: readonly number[];
  readonly collapsed: number;
}

export class MergedFigures {
  readonly blocks: readonly CounterBlock[];

  private readonly routeCount: number;
  private readonly callsAt: number;

  /** `threads`: the name of each buffer's thread. */
  constructor(
    buffers: readonly SharedBlock[],
    shape: CounterShape,
    readonly threads: readonly string[] = [],
  ) {
    this.routeCount = shape.routes;
    this.callsAt = callsAt(shape);
    this.blocks = buffers.map((buffer) => new CounterBlock(buffer));
  }

  /** The block of the worker of a lane. */
  ofWorker(lane: number): CounterBlock | undefined {
    return this.blocks[this.threads.indexOf(`worker-${lane}`)];
  }

  sum(index: number): number {
    let total = 0;
    for (const block of this.blocks) total += block.read(index);
    return total;
  }

  /** The sum of a figure of COUNTERS, by name. */
  sumOf(name: keyof typeof COUNTERS): number {
    return this.sum(COUNTERS[name]);
  }

  /** The durations of a route's requests (or of NO_ROUTE). */
  durationsOf(routeIndex: number): Histogram {
    return this.histogram(durationHistogram(routeIndex));
  }

  /** Requests of a route (or NO_ROUTE) by method class and status class. */
  requestsByClass(routeIndex: number, methodClass: number, statusClass: number): number {
    return this.sum(requestClassCounter(routeIndex, methodClass, statusClass));
  }

  ofRoute(routeIndex: number, blocks: readonly CounterBlock[] = this.blocks): RequestTotals {
    const byStatusClass = STATUS_CLASSES.map(() => 0);
    for (let method = 0; method < METHOD_CLASSES.length; method += 1) {
      for (let status = 0; status < STATUS_CLASSES.length; status += 1) {
        const at = requestClassCounter(routeIndex, method, status);
        for (const block of blocks)
          byStatusClass[status] = num(byStatusClass, status) + block.read(at);
      }
    }
    return totalsOf(byStatusClass);
  }

  /**
   * The requests of all routes, with places to pause; cut replies count as errors whatever their
   * status.
   */
  *walkAll(blocks: readonly CounterBlock[] = this.blocks): Generator<string, RequestTotals> {
    const all = STATUS_CLASSES.map(() => 0);
    for (let route = RETIRED_ROUTES; route < this.routeCount; route += 1) {
      if (route % ROWS_PER_STEP === 0) yield '';
      const { byStatusClass } = this.ofRoute(route, blocks);
      for (const [status, count] of byStatusClass.entries()) all[status] = num(all, status) + count;
    }
    const cut = blocks.reduce((total, block) => total + block.read(COUNTERS.cutGoodReplies), 0);
    const totals = totalsOf(all);
    return { ...totals, errors: totals.errors + cut };
  }

  /** The histogram that begins at this place. */
  histogram(index: number, blocks: readonly CounterBlock[] = this.blocks): Histogram {
    const buckets: number[] = [];
    let count = 0;
    for (let at = 0; at <= LATENCY_BOUNDS_MS.length; at += 1) {
      let inBucket = 0;
      for (const block of blocks) inBucket += block.read(index + at);
      buckets.push(inBucket);
      count += inBucket;
    }
    let sumMs = 0;
    for (const block of blocks) sumMs += block.read(index + LATENCY_BOUNDS_MS.length + 1);
    return { buckets, count, sumMs };
  }

  /** Event streams of a route. */
  eventStreamsOf(routeIndex: number): { readonly open: number; readonly opened: number } {
    const opened = this.sum(routeCounter(routeIndex, ROUTE_COUNTERS.eventStreamsOpened));
    const ended = this.sum(routeCounter(routeIndex, ROUTE_COUNTERS.eventStreamsEnded));
    return { open: opened - ended, opened };
  }

  /** Requests of a route by what the cache did for them; null: it has none, or had no requests. */
  cacheOf(routeIndex: number): RouteCacheFigures | null {
    const results = CACHE_RESULTS.map((result) => this.sum(cacheResultCounter(routeIndex, result)));
    if (results.every((count) => count === 0)) return null;
    return { results, collapsed: this.sum(collapsedCounter(routeIndex)) };
  }

  /** WebSockets of a route. */
  webSocketsOf(routeIndex: number): WebSocketFigures {
    const of = (figure: number): number => this.sum(routeCounter(routeIndex, figure));
    const { opened, closed, messagesUp, messagesDown, bytesUp, bytesDown } = WEBSOCKET_COUNTERS;
    const all = of(opened);
    return {
      open: all - of(closed),
      opened: all,
      messagesUp: of(messagesUp),
      messagesDown: of(messagesDown),
      bytesUp: of(bytesUp),
      bytesDown: of(bytesDown),
      closes: CLOSE_CODES.map((code) => this.sum(closeCounter(routeIndex, code))),
    };
  }

  /** Calls of gRPC by method, of all threads. */
  calls(): readonly CountedCalls[] {
    const byName = new Map<string, number[]>();
    for (const block of this.blocks) {
      for (const { name, counts } of readCalls(block, this.callsAt)) {
        const sums = byName.get(name) ?? counts.map(() => 0);
        for (const [code, count] of counts.entries()) sums[code] = num(sums, code) + count;
        byName.set(name, sums);
      }
    }
    return [...byName].map(([name, counts]) => ({ name, counts }));
  }

  /** What was compressed, by content coding. */
  ofCoding(coding: Coding): CodingFigures {
    const sum = (figure: number): number =>
      this.sum(codingCounter(figure, CODINGS.indexOf(coding)));
    const { replies, bytesIn, bytesOut } = CODING_COUNTERS;
    return { replies: sum(replies), bytesIn: sum(bytesIn), bytesOut: sum(bytesOut) };
  }

  /** Requests and replies that the cache had no part in, by reason, in the order of the lists. */
  byReason(figure: number, reasons: readonly string[]): (readonly [string, number])[] {
    return reasons.map((reason, at) => [reason, this.sum(figure + at)]);
  }

  /** Replies that the gateway made itself, by problem. */
  ofProblem(kind: ProblemKind): number {
    return this.sum(problemCounter(kind));
  }

  /** The sum over the problems for which `isMeant` is true. */
  ofProblems(isMeant: (kind: ProblemKind) => boolean): number {
    let total = 0;
    for (const kind of Object.values(PROBLEMS)) if (isMeant(kind)) total += this.ofProblem(kind);
    return total;
  }
}

/** One histogram from several with the same bounds. */
export function addHistograms(histograms: readonly Histogram[]): Histogram {
  const buckets = LATENCY_BOUNDS_MS.map(() => 0).concat(0);
  let count = 0;
  let sumMs = 0;
  for (const one of histograms) {
    for (const [at, inBucket] of one.buckets.entries()) buckets[at] = num(buckets, at) + inBucket;
    count += one.count;
    sumMs += one.sumMs;
  }
  return { buckets, count, sumMs };
}

/**
 * The value below which a share (0 to 1) of a histogram's amounts stays, estimated on a straight
 * line inside its bucket; 0 for an empty histogram. Amounts above the last bound count as that
 * bound.
 */
export function quantileMs({ buckets, count }: Histogram, share: number): number {
  let left = share * count;
  for (const [at, inBucket] of buckets.entries()) {
    if (inBucket === 0 || left > inBucket) {
      left -= inBucket;
      continue;
    }
    const from = at === 0 ? 0 : num(LATENCY_BOUNDS_MS, at - 1);
    const to = LATENCY_BOUNDS_MS[at] ?? from;
    return from + ((to - from) * left) / inBucket;
  }
  return 0;
}

function totalsOf(byStatusClass: readonly number[]): RequestTotals {
  const requests = byStatusClass.reduce((total, count) => total + count, 0);
  return { requests, errors: num(byStatusClass, SERVER_ERRORS), byStatusClass };
}

function num(list: readonly number[], at: number): number {
  return list[at] ?? 0;
}

type SharedBlock = ConstructorParameters<typeof CounterBlock>[0];
