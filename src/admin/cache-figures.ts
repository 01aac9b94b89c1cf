/**
 * What is stored of replies, and why others are not.
 *
 * Thread: supervisor (on the main thread). A part of stats.ts and metrics.ts.
 */

import { BYPASS_REASONS, MISS_REASONS, NOT_STORED_REASONS } from '../base/cache-reasons.js';
import { CACHE_REASON_COUNTERS } from '../observability/counters.js';
import { familyText, type Labels } from '../observability/prometheus-text.js';
import type { SegmentFigures } from './cache-view.js';
import type { GatewayViews } from './gateway-views.js';
import type { MergedFigures } from './merged-figures.js';
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
