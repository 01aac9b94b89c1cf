/**
 * The figures of the gateway and their recent history: rates are differences of figures.
 *
 * Thread: browser. Owns the history, a bounded number of points.
 */

import type { SplitFigures } from './splits.js';

export interface Latency {
  readonly count: number;
  readonly p50_ms: number;
  readonly p90_ms: number;
  readonly p99_ms: number;
  /** By upper bound in milliseconds, or `more`. */
  readonly buckets: Readonly<Record<string, number>>;
}

export interface RouteFigures {
  readonly requests: number;
  readonly errors: number;
  readonly rate_limited: number;
  readonly unauthorized: number;
  readonly latency: Latency;
}

export interface TargetFigures {
  readonly target: string;
  readonly upstream: string;
  readonly state: string;
  readonly why: string;
  readonly since: string | null;
  readonly until: string | null;
  readonly in_flight: number;
  readonly backup: boolean;
  readonly circuit_breaker: string;
  readonly requests: number;
  readonly errors: number;
  readonly latency: Latency;
}

export interface LimitFigures {
  readonly limit: string;
  readonly route: string;
  readonly algorithm: string;
  readonly quota: number;
  readonly window_seconds?: number;
  readonly mode: string;
  readonly tracked_keys: number;
  readonly admitted: number;
  readonly refused: number;
  readonly shadow_refused: number;
}

export interface LaneFigures {
  readonly lane: number;
  readonly served: boolean;
  readonly in_flight: number;
  readonly request_bytes: number;
  readonly reply_bytes: number;
  readonly records: number;
  readonly wakes: number;
  readonly deaths: number;
  readonly requests: number;
}

export interface LoopFigures {
  readonly thread: string;
  readonly delay_p50_ms: number;
  readonly delay_p99_ms: number;
  readonly active_seconds: number;
  readonly heap_used_bytes: number;
  readonly dropped_log_lines: number;
}

export interface CacheFigures {
  readonly hits: number;
  readonly stale_replies: number;
  readonly revalidated: number;
  readonly misses: number;
  readonly bypassed: number;
  readonly collapsed: number;
  readonly stored: number;
  readonly evicted: number;
  readonly served_bytes: number;
  readonly misses_by_reason: Readonly<Record<string, number>>;
  readonly bypassed_by_reason: Readonly<Record<string, number>>;
  readonly not_stored_by_reason: Readonly<Record<string, number>>;
  readonly entries: number;
  readonly held_bytes: number;
  readonly limit_bytes: number;
}

export interface CodingFigures {
  readonly replies: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
}

export interface Stats {
  readonly version: string;
  readonly uptime_seconds: number;
  readonly config_epoch: number;
  readonly in_flight: number;
  readonly process: { readonly resident_bytes: number; readonly cpu_seconds: number };
  readonly counters: Readonly<Record<string, number>>;
  readonly problems: Readonly<Record<string, number>>;
  readonly latency: Latency;
  readonly cache: CacheFigures;
  readonly compression: Readonly<Record<string, CodingFigures>>;
  readonly routes: Readonly<Record<string, RouteFigures>>;
  readonly unrouted: RouteFigures;
  readonly limits: readonly LimitFigures[];
  readonly targets: readonly TargetFigures[];
  readonly splits: readonly SplitFigures[];
  readonly event_loops: readonly LoopFigures[];
  readonly workers: readonly LaneFigures[];
  readonly coordinator: Readonly<Record<string, number>>;
}

/** One moment of the charts. */
export interface Point {
  readonly atMs: number;
  /** Requests per second by status class: 2xx, 3xx, 4xx, 5xx. */
  readonly rates: readonly [number, number, number, number];
  readonly localRate: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly cpuShare: number;
}

/** Five minutes with a point every two seconds. */
const POINTS_MAX = 150;
const CLASSES = ['status_2xx', 'status_3xx', 'status_4xx', 'status_5xx'] as const;

export class History {
  readonly points: Point[] = [];
  /** The previous figures, which rates are computed from. */
  before: Stats | null = null;
  seconds = 0;
  private lastMs = 0;

  /** Adds the figures that were read at this time. */
  add(stats: Stats, atMs: number): void {
    const { before } = this;
    // A gateway that was started again counts from zero.
    const isNew = before === null || stats.uptime_seconds < before.uptime_seconds;
    this.seconds = isNew ? 0 : (atMs - this.lastMs) / 1000;
    if (!isNew && this.seconds > 0) this.points.push(this.pointOf(before, stats, atMs));
    if (this.points.length > POINTS_MAX) this.points.shift();
    this.lastMs = atMs;
  }

  private pointOf(before: Stats, now: Stats, atMs: number): Point {
    const rate = (name: string): number => this.rate(before.counters[name], now.counters[name]);
    const local = (stats: Stats): number =>
      Object.values(stats.problems).reduce((total, count) => total + count, 0);
    const [ok = 0, redirected = 0, refused = 0, failed = 0] = CLASSES.map(rate);
    const latency = latencyBetween(before.latency, now.latency);
    return {
      atMs,
      rates: [ok, redirected, refused, failed],
      localRate: this.rate(local(before), local(now)),
      ...latency,
      cpuShare: this.rate(before.process.cpu_seconds, now.process.cpu_seconds),
    };
  }

  /** The rate per second; 0 without a previous value. */
  rate(before: number | undefined, now: number | undefined): number {
    if (before === undefined || now === undefined || this.seconds <= 0) return 0;
    return Math.max(0, (now - before) / this.seconds);
  }
}

/**
 * Percentiles of the amounts that were added to a histogram between two readings; NaN without any.
 */
export function latencyBetween(
  before: Latency,
  now: Latency,
): { readonly p50: number; readonly p90: number; readonly p99: number } {
  const added = Object.entries(now.buckets)
    .map(([bound, count]): [number, number] => [
      bound === 'more' ? Number.POSITIVE_INFINITY : Number(bound),
      count - (before.buckets[bound] ?? 0),
    ])
    .sort(([one], [other]) => one - other);
  const count = added.reduce((total, [, more]) => total + more, 0);
  const quantile = (share: number): number => {
    let left = share * count;
    let from = 0;
    for (const [bound, more] of added) {
      const to = Number.isFinite(bound) ? bound : from;
      if (more > 0 && left <= more) return from + ((to - from) * left) / more;
      left -= more;
      from = to;
    }
    return Number.NaN;
  };
  return { p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99) };
}
