/**
 * Rows of the document that /stats shows.
 *
 * Thread: supervisor (on the main thread).
 */

import { CODINGS } from '../base/content-codings.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import type { ConcurrencyView } from '../channel/coordinator/concurrency-memory.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import {
  COUNTERS,
  type CounterShape,
  LATENCY_BOUNDS_MS,
  RETIRED_UPSTREAMS,
  STATUS_CLASSES,
  UPSTREAM_COUNTERS,
  upstreamCounter,
} from '../observability/counters.js';
import {
  type Histogram,
  type MergedFigures,
  quantileMs,
  type RequestTotals,
} from './merged-figures.js';

/** Shown elsewhere in the document, by thread or by lane. */
const BY_THREAD: ReadonlySet<string> = new Set([
  'laneRecords',
  'laneWakes',
  'cutGoodReplies',
  'loopActiveMs',
  'heapUsedBytes',
  'droppedLogLines',
]);

const { overloaded, notReady, coordinatorLost } = PROBLEMS;
const SHED: readonly ProblemKind[] = [overloaded, notReady, coordinatorLost];

/** What was compressed, by content coding. */
export function codingRows(figures: MergedFigures): Record<string, object> {
  const rows = CODINGS.map((coding) => {
    const { replies, bytesIn, bytesOut } = figures.ofCoding(coding);
    return [coding, { replies, bytes_in: bytesIn, bytes_out: bytesOut }] as const;
  });
  return Object.fromEntries(rows);
}

/** Totals of the process by name. */
export function processFigures(
  figures: MergedFigures,
  { requests, errors, byStatusClass }: RequestTotals,
  shape: CounterShape,
): Record<string, number> {
  const counted = Object.entries(COUNTERS)
    .filter(([name]) => !BY_THREAD.has(name))
    .map(([name, index]) => [snakeCase(name), figures.sum(index)]);
  const ofUpstreams = Object.entries(UPSTREAM_COUNTERS).map(([name, figure]) => {
    let total = 0;
    for (let at = RETIRED_UPSTREAMS; at < shape.upstreams; at += 1) {
      total += figures.sum(upstreamCounter(shape, at, figure));
    }
    return [snakeCase(name), total];
  });
  return {
    requests,
    errors,
    ...Object.fromEntries(STATUS_CLASSES.map((name, at) => [`status_${name}`, byStatusClass[at]])),
    rate_limited: figures.ofProblem(PROBLEMS.rateLimited),
    unauthorized: figures.ofProblem(PROBLEMS.unauthorized),
    circuit_open: figures.ofProblem(PROBLEMS.circuitOpen),
    no_healthy_target: figures.ofProblem(PROBLEMS.noHealthyTarget),
    shed: figures.ofProblems((kind) => SHED.includes(kind)),
    refused: figures.ofProblems((kind) => kind.part === 'guard'),
    ...Object.fromEntries(counted),
    ...Object.fromEntries(ofUpstreams),
  };
}

/** Replies that the gateway made itself, by code, without codes that never occurred. */
export function problemRows(figures: MergedFigures): Record<string, number> {
  const rows = Object.values(PROBLEMS).map((kind) => [kind.code, figures.ofProblem(kind)] as const);
  return Object.fromEntries(rows.filter(([, count]) => count > 0));
}

export function latencyRow(histogram: Histogram): object {
  const { count, sumMs, buckets } = histogram;
  return {
    count,
    mean_ms: count === 0 ? 0 : rounded(sumMs / count),
    p50_ms: rounded(quantileMs(histogram, 0.5)),
    p90_ms: rounded(quantileMs(histogram, 0.9)),
    p99_ms: rounded(quantileMs(histogram, 0.99)),
    /**
     * The counts of each bucket by its upper bound in milliseconds. A count does not include
     * smaller buckets.
     */
    buckets: Object.fromEntries(
      buckets
        .map((inBucket, at) => [String(LATENCY_BOUNDS_MS[at] ?? 'more'), inBucket] as const)
        .filter(([, inBucket]) => inBucket > 0),
    ),
  };
}

/** The whole process, by the operating system's figures. */
export function processRow(): object {
  const { rss, external, arrayBuffers } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    pid: process.pid,
    resident_bytes: rss,
    external_bytes: external,
    array_buffer_bytes: arrayBuffers,
    cpu_seconds: (user + system) / 1e6,
  };
}

export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

export function snakeCase(name: string): string {
  return name.replace(/[A-Z0-9]+/g, (part) => `_${part.toLowerCase()}`);
}

/** One row for each upstream whose concurrency is adapted. */
export function concurrencyRows(config: GatewaySettings, view: ConcurrencyView): object[] {
  const adapted = config.upstreams.filter(({ adaptiveConcurrency }) => adaptiveConcurrency);
  return adapted.map(({ name, index }) => ({
    upstream: name,
    limit: view.limitOf(index),
    in_flight: view.inFlightOf(index),
    min_rtt_ms: Math.round(view.minRttMsOf(index) * 100) / 100,
  }));
}
