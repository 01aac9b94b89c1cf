/**
 * Series of metrics: which things have series of their own, and histograms as series.
 *
 * Thread: any (pure).
 */
import { LATENCY_BOUNDS_MS } from '../observability/counters.js';
import {
  type FamilyHead,
  type HistogramSamples,
  histogramText,
  type Labels,
} from '../observability/prometheus-text.js';
import type { Histogram } from './merged-figures.js';

/**
 * When there are more routes, targets or limits than this, the rest share one series, `_others`.
 */
export const SERIES_OWNERS_MAX = 1000;
const OTHERS_LABEL = '_others';
/** The first four bounds are for percentiles only. */
const EXPORTED_FROM = 4;
const EXPORTED_BOUNDS = LATENCY_BOUNDS_MS.slice(EXPORTED_FROM).map((ms) => ms / 1000);

/** Things that share one name and so one series. */
export interface SeriesOwner<T> {
  readonly label: string;
  readonly members: readonly T[];
}

/** One owner for each item, as far as there is room; the rest share one owner. */
export function ownersOf<T>(
  all: readonly T[],
  labelOf: (one: T) => string,
  max = SERIES_OWNERS_MAX,
): SeriesOwner<T>[] {
  const owners = all.slice(0, max).map((one) => ({ label: labelOf(one), members: [one] }));
  const rest = all.slice(max);
  return rest.length === 0 ? owners : [...owners, { label: OTHERS_LABEL, members: rest }];
}

/** A histogram in milliseconds in the form of the text format. */
export function histogramSamples(labels: Labels, histogram: Histogram): HistogramSamples {
  let below = 0;
  const cumulative: number[] = [];
  for (const [at, inBucket] of histogram.buckets.slice(0, -1).entries()) {
    below += inBucket;
    if (at >= EXPORTED_FROM) cumulative.push(below);
  }
  return { labels, cumulative, count: histogram.count, sum: histogram.sumMs / 1000 };
}

/** A family of histograms without the empty ones. */
export function histogramFamily(head: FamilyHead, histograms: readonly HistogramSamples[]): string {
  const used = histograms.filter(({ count }) => count > 0);
  return histogramText(head, EXPORTED_BOUNDS, used);
}
