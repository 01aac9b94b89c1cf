/**
 * Series of metrics: who has one, and histograms as series.
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

/** Routes, targets and limits beyond this many share one series, `_others`. */
export const SERIES_OWNERS_MAX = 1000;
const OTHERS_LABEL = '_others';
/** The four bounds below these are for percentiles only. */
const EXPORTED_FROM = 4;
const EXPORTED_BOUNDS = LATENCY_BOUNDS_MS.slice(EXPORTED_FROM).map((ms) => ms / 1000);

/** Things that are counted alike, under one name. */
export interface SeriesOwner<T> {
  readonly label: string;
  readonly members: readonly T[];
}

/** One owner for each, as far as there is room; the rest have one together. */
export function ownersOf<T>(
  all: readonly T[],
  labelOf: (one: T) => string,
  max = SERIES_OWNERS_MAX,
): SeriesOwner<T>[] {
  const owners = all.slice(0, max).map((one) => ({ label: labelOf(one), members: [one] }));
  const rest = all.slice(max);
  return rest.length === 0 ? owners : [...owners, { label: OTHERS_LABEL, members: rest }];
}

/** A histogram in milliseconds as the text wants it. */
export function histogramSamples(labels: Labels, histogram: Histogram): HistogramSamples {
  let below = 0;
  const cumulative: number[] = [];
  for (const [at, inBucket] of histogram.buckets.slice(0, -1).entries()) {
    below += inBucket;
    if (at >= EXPORTED_FROM) cumulative.push(below);
  }
  return { labels, cumulative, count: histogram.count, sum: histogram.sumMs / 1000 };
}

/** A family of histograms, without those that are empty. */
export function histogramFamily(head: FamilyHead, histograms: readonly HistogramSamples[]): string {
  const used = histograms.filter(({ count }) => count > 0);
  return histogramText(head, EXPORTED_BOUNDS, used);
}
