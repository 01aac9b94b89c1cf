/**
 * What is stored of replies, and why others are not.
 *
 * Thread: supervisor (on the main thread). A part of stats.ts and metrics.ts.
 */

import { BYPASS_REASONS, MISS_REASONS, NOT_STORED_REASONS } from '../base/cache-reasons.js';
import { CACHE_REASON_COUNTERS, CACHE_RESULTS } from '../observability/counters.js';
import { familyText, type Labels } from '../observability/prometheus-text.js';
import type { SegmentFigures } from './cache-view.js';
import type { GatewayViews } from './gateway-views.js';
import type { MergedFigures, RouteCacheFigures } from './merged-figures.js';
import { FAMILIES } from './metric-families.js';

/** The member `cache` of /stats. */
export function* cacheRow({ cache, figures }: GatewayViews): Generator<string, object> {
  const lanes = yield* cache.walk();
  const sum = (of: (one: SegmentFigures) => number): number =>
    lanes.reduce((total, one) => total + of(one), 0);
  return {
    hits: figures.sumOf('cacheHits'),
    stale_replies: figures.sumOf('cacheStale'),
    revalidated: figures.sumOf('cacheRevalidated'),
    misses: figures.sumOf('cacheMisses'),
    bypassed: figures.sumOf('cacheBypassed'),
    collapsed: figures.sumOf('cacheCollapsed'),
    stored: figures.sumOf('cacheStored'),
    evicted: figures.sumOf('cacheEvicted'),
    precompressed: figures.sumOf('cacheForms'),
    served_bytes: figures.sumOf('cacheBytes'),
    misses_by_reason: seenOf(figures, CACHE_REASON_COUNTERS.missed, MISS_REASONS),
    bypassed_by_reason: seenOf(figures, CACHE_REASON_COUNTERS.bypassed, BYPASS_REASONS),
    not_stored_by_reason: seenOf(figures, CACHE_REASON_COUNTERS.notStored, NOT_STORED_REASONS),
    entries: sum(({ entries }) => entries),
    held_bytes: sum(({ bytes }) => bytes),
    limit_bytes: sum(({ limit }) => limit),
    lanes: lanes.map(({ lane, entries, bytes, limit }) => ({
      lane,
      entries,
      held_bytes: bytes,
      limit_bytes: limit,
    })),
  };
}

/** Reasons that have occurred. */
function seenOf(
  figures: MergedFigures,
  figure: number,
  reasons: readonly string[],
): Record<string, number> {
  const counted = figures.byReason(figure, reasons);
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}

/** The member `cache` of a route in /stats; null: the cache had no part in its requests. */
export function routeCacheRow(figures: RouteCacheFigures | null): object | null {
  if (figures === null) return null;
  const { results, collapsed } = figures;
  return {
    ...Object.fromEntries(CACHE_RESULTS.map((result, at) => [result, results[at]])),
    collapsed,
  };
}

/** The metrics of routes with a cache. */
export class RouteCacheSamples {
  private readonly requests: (readonly [Labels, number])[] = [];
  private readonly collapsed: (readonly [Labels, number])[] = [];

  /** The figures of the routes that are shown under one label; nothing where there were none. */
  add(label: string, figures: readonly RouteCacheFigures[]): void {
    if (figures.length === 0) return;
    const route = ['route', label] as const;
    for (const [at, result] of CACHE_RESULTS.entries()) {
      const count = figures.reduce((sum, { results }) => sum + (results[at] ?? 0), 0);
      this.requests.push([[route, ['result', result]], count]);
    }
    this.collapsed.push([[route], figures.reduce((sum, one) => sum + one.collapsed, 0)]);
  }

  *families(): Generator<string> {
    yield familyText(FAMILIES.cacheRequests, 'counter', this.requests);
    yield familyText(FAMILIES.cacheWaits, 'counter', this.collapsed);
  }
}

/** The metrics that have labels. Every reason has its series from the start. */
export function* cachePieces({ cache, figures }: GatewayViews): Generator<string> {
  const samplesOf = (figure: number, reasons: readonly string[]) =>
    figures
      .byReason(figure, reasons)
      .map(([reason, count]): readonly [Labels, number] => [[['reason', reason]], count]);
  const { missed, bypassed, notStored } = CACHE_REASON_COUNTERS;
  yield [
    familyText(FAMILIES.cacheMisses, 'counter', samplesOf(missed, MISS_REASONS)),
    familyText(FAMILIES.cacheBypassed, 'counter', samplesOf(bypassed, BYPASS_REASONS)),
    familyText(FAMILIES.cacheNotStored, 'counter', samplesOf(notStored, NOT_STORED_REASONS)),
  ].join('');
  const lanes = yield* cache.walk();
  const each = (read: (one: SegmentFigures) => number) =>
    lanes.map((one): readonly [Labels, number] => [[['lane', String(one.lane)]], read(one)]);
  yield [
    familyText(
      FAMILIES.cacheEntries,
      'gauge',
      each(({ entries }) => entries),
    ),
    familyText(
      FAMILIES.cacheHeld,
      'gauge',
      each(({ bytes }) => bytes),
    ),
    familyText(
      FAMILIES.cacheLimit,
      'gauge',
      each(({ limit }) => limit),
    ),
  ].join('');
}
