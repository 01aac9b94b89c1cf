/**
 * Every figure as Prometheus text, in pieces that each take little time.
 *
 * Thread: supervisor (on the main thread). The configuration bounds the number of series, and
 * SERIES_OWNERS_MAX does for large configurations. Routes and targets that were never used have no
 * series.
 */

import { CODINGS } from '../base/content-codings.js';
import { PROBLEMS } from '../base/problems.js';
import {
  METHOD_CLASSES,
  NO_ROUTE,
  RETIRED_ROUTES,
  STATUS_CLASSES,
} from '../observability/counters.js';
import {
  familyText,
  type HistogramSamples,
  type Labels,
} from '../observability/prometheus-text.js';
import { cachePieces, RouteCacheSamples } from './cache-figures.js';
import { fallbackPieces } from './fallback-rows.js';
import type { GatewayViews } from './gateway-views.js';
import { addHistograms, type CodingFigures, type RouteCacheFigures } from './merged-figures.js';
import { FAMILIES, SUMMED_FAMILIES } from './metric-families.js';
import { histogramFamily, histogramSamples, ownersOf, type SeriesOwner } from './metric-series.js';
import { callPieces } from './metrics-of-calls.js';
import { processPieces, threadPieces } from './metrics-of-process.js';
import { tlsPieces, workloadPieces } from './metrics-of-tls.js';
import {
  discoveryPieces,
  limiterPieces,
  namePieces,
  targetPieces,
} from './metrics-of-upstreams.js';
import { mirrorPieces } from './mirror-rows.js';
import { pluginPieces } from './plugin-figures.js';
import { splitPieces } from './split-rows.js';
import { type WebSocketFigures, WebSocketSamples } from './websocket-samples.js';

/** The label of requests that matched no route. No route can have such a name. */
const UNROUTED_LABEL = '_none';
/** The label of routes that a reload has removed. */
const RETIRED_LABEL = '_retired';

export class MetricsReader {
  /** Read once: the same at every scrape, or it looks as if the process had been started again. */
  private readonly startSeconds: number;

  constructor(private readonly views: GatewayViews) {
    this.startSeconds = views.clock.unixMs() / 1000 - process.uptime();
  }

  /** The text, piece by piece, each of whole lines. */
  *pieces(): Generator<string> {
    yield* processPieces(this.views, this.startSeconds);
    yield* this.requestPieces();
    yield this.problems();
    yield this.sums();
    yield* callPieces(this.views);
    yield this.ofCodings();
    yield* cachePieces(this.views);
    yield* targetPieces(this.views);
    yield* namePieces(this.views);
    yield* discoveryPieces(this.views);
    yield* tlsPieces(this.views);
    yield* pluginPieces(this.views);
    yield* workloadPieces(this.views);
    yield* limiterPieces(this.views);
    yield* splitPieces(this.views);
    yield* mirrorPieces(this.views);
    yield* fallbackPieces(this.views);
    yield* threadPieces(this.views);
  }

  private *requestPieces(): Generator<string> {
    const { figures, config } = this.views;
    const unrouted = { label: UNROUTED_LABEL, members: [NO_ROUTE] };
    const retired = { label: RETIRED_LABEL, members: [RETIRED_ROUTES] };
    const names: { readonly name: string; readonly index: number }[] = [];
    for (const { name, index } of config.routes) {
      names.push({ name, index });
      // An empty piece: a place to pause in a long list.
      yield '';
    }
    const routes = ownersOf(names, ({ name }) => name).map(({ label, members }) => ({
      label,
      members: members.map(({ index }) => index),
    }));
    const owners = [retired, unrouted, ...routes];
    const samples: (readonly [Labels, number])[] = [];
    for (const owner of owners) samples.push(...(yield* this.requestSamples(owner)));
    yield familyText(FAMILIES.requests, 'counter', samples);
    const durations: HistogramSamples[] = [];
    for (const { label, members } of owners) {
      let histogram = addHistograms([]);
      for (const index of members) {
        histogram = addHistograms([histogram, figures.durationsOf(index)]);
        yield '';
      }
      durations.push(histogramSamples([['route', label]], histogram));
    }
    yield histogramFamily(FAMILIES.duration, durations);
    yield* this.eventStreamPieces(owners);
    yield* this.webSocketPieces(owners);
    yield* this.cachePieces(owners);
  }

  /** Of routes with a cache that have had some requests. */
  private *cachePieces(owners: readonly SeriesOwner<number>[]): Generator<string> {
    const samples = new RouteCacheSamples();
    for (const { label, members } of owners) {
      const figures: RouteCacheFigures[] = [];
      for (const index of members) {
        const ofRoute = this.views.figures.cacheOf(index);
        if (ofRoute !== null) figures.push(ofRoute);
        yield '';
      }
      samples.add(label, figures);
    }
    yield* samples.families();
  }

  /** Of routes that have had some. */
  private *eventStreamPieces(owners: readonly SeriesOwner<number>[]): Generator<string> {
    const open: (readonly [Labels, number])[] = [];
    const all: (readonly [Labels, number])[] = [];
    for (const { label, members } of owners) {
      const streams = { open: 0, opened: 0 };
      for (const index of members) {
        const ofRoute = this.views.figures.eventStreamsOf(index);
        streams.open += ofRoute.open;
        streams.opened += ofRoute.opened;
        yield '';
      }
      if (streams.opened === 0) continue;
      open.push([[['route', label]], streams.open]);
      all.push([[['route', label]], streams.opened]);
    }
    yield familyText(FAMILIES.eventStreamsOpen, 'gauge', open);
    yield familyText(FAMILIES.eventStreams, 'counter', all);
  }

  /** Of routes that have had some. */
  private *webSocketPieces(owners: readonly SeriesOwner<number>[]): Generator<string> {
    const samples = new WebSocketSamples();
    for (const { label, members } of owners) {
      const figures: WebSocketFigures[] = [];
      for (const index of members) {
        figures.push(this.views.figures.webSocketsOf(index));
        yield '';
      }
      samples.add(label, figures);
    }
    yield* samples.families();
  }

  private *requestSamples({
    label,
    members,
  }: SeriesOwner<number>): Generator<string, (readonly [Labels, number])[]> {
    const counts = new Map<number, number>();
    for (const index of members) {
      for (let at = 0; at < METHOD_CLASSES.length * STATUS_CLASSES.length; at += 1) {
        const [method, status] = [
          Math.floor(at / STATUS_CLASSES.length),
          at % STATUS_CLASSES.length,
        ];
        const count = this.views.figures.requestsByClass(index, method, status);
        if (count > 0) counts.set(at, (counts.get(at) ?? 0) + count);
      }
      yield '';
    }
    const samples: (readonly [Labels, number])[] = [];
    for (const [method, methodClass] of METHOD_CLASSES.entries()) {
      for (const [status, statusClass] of STATUS_CLASSES.entries()) {
        const count = counts.get(method * STATUS_CLASSES.length + status);
        if (count === undefined) continue;
        const labels: Labels = [
          ['route', label],
          ['method_class', methodClass],
          ['status_class', statusClass],
        ];
        samples.push([labels, count]);
      }
    }
    return samples;
  }

  /**
   * Every problem has its series from the start, so that its first occurrence shows as a change.
   */
  private problems(): string {
    const samples = Object.values(PROBLEMS).map((kind): readonly [Labels, number] => {
      const labels: Labels = [
        ['code', kind.code],
        ['part', kind.part],
      ];
      return [labels, this.views.figures.ofProblem(kind)];
    });
    return familyText(FAMILIES.problems, 'counter', samples);
  }

  private ofCodings(): string {
    const { figures } = this.views;
    const samplesOf = (figure: keyof CodingFigures): (readonly [Labels, number])[] =>
      CODINGS.map((coding) => [[['coding', coding]], figures.ofCoding(coding)[figure]]);
    return [
      familyText(FAMILIES.compressedReplies, 'counter', samplesOf('replies')),
      familyText(FAMILIES.compressionInput, 'counter', samplesOf('bytesIn')),
      familyText(FAMILIES.compressionOutput, 'counter', samplesOf('bytesOut')),
    ].join('');
  }

  private sums(): string {
    const { figures } = this.views;
    const families = Object.entries(SUMMED_FAMILIES).map(([name, head]) => {
      const total = figures.sumOf(name as keyof typeof SUMMED_FAMILIES);
      return familyText(head, 'counter', [[[], total]]);
    });
    return families.join('');
  }
}
