/**
 * GET /stats: every figure, as JSON.
 *
 * Thread: supervisor (on the main thread). Reads counter blocks and the coordinator's tables; asks
 * no thread.
 */
import { defined } from '../base/assert.js';
import { byRow } from '../base/rows.js';
import type { ConnectionFigures } from '../channel/acceptor/acceptor-figures.js';
import type { TargetStateName } from '../channel/coordinator/target-states.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import {
  CLOSE_CODES,
  COUNTERS,
  loopDelayHistogram,
  METHOD_CLASSES,
  NO_ROUTE,
  ROUTE_COUNTERS,
  routeCounter,
  STATUS_CLASSES,
  TARGET_COUNTERS,
  targetCounter,
  targetLatencyHistogram,
} from '../observability/counters.js';
import { cacheRow, routeCacheRow } from './cache-figures.js';
import { fallbackRows } from './fallback-rows.js';
import type { GatewayViews } from './gateway-views.js';
import { type LiveFigures, sumOfAcceptors } from './live-figures.js';
import {
  acceptorRow,
  configurationRow,
  discoveryRow,
  http2Row,
  laneRow,
  storeRow,
  targetNameRow,
  workloadRow,
} from './live-rows.js';
import { addHistograms, type Histogram, quantileMs, type RequestTotals } from './merged-figures.js';
import { mirrorRows } from './mirror-rows.js';
import { pluginRows } from './plugin-figures.js';
import { splitRow } from './split-rows.js';
import {
  codingRows,
  concurrencyRows,
  latencyRow,
  problemRows,
  processFigures,
  processRow,
  rounded,
  snakeCase,
} from './stats-rows.js';
import { standingOf } from './target-standing.js';
import type { WebSocketFigures } from './websocket-samples.js';

/**
 * From best to worst. When several upstreams have a target with the same address, the worst state
 * is shown.
 */
const STATES_BY_SEVERITY: readonly TargetStateName[] = ['CLOSED', 'HALF_OPEN', 'OPEN'];

export class StatsReader {
  constructor(private readonly views: GatewayViews) {}

  /**
   * The document that /stats shows, as JSON: piece by piece, each of which takes little time. An
   * empty piece is a place to pause. Figures are of the moments at which each was read.
   */
  *pieces(): Generator<string> {
    const { config, figures } = this.views;
    const live = this.views.live();
    const totals = yield* figures.walkAll();
    yield openText(this.headRows(live, totals));
    const durations = yield* this.routePieces(config);
    const shared = { latency: latencyRow(durations), unrouted: this.routeRow(NO_ROUTE) };
    yield `,${openText(shared).slice(1)}`;
    yield* this.limitPieces(config);
    const cache = yield* cacheRow(this.views);
    const workers = yield* this.workers(live);
    yield `,${textOf({ cache, ...this.tailRows(live), workers }).slice(1)}\n`;
  }

  private headRows(live: LiveFigures, totals: RequestTotals): Record<string, unknown> {
    const { requests, errors } = totals;
    const ofConnections = (figure: keyof ConnectionFigures): number =>
      sumOfAcceptors(live, ({ connections }) => connections[figure]);
    return {
      total_requests: requests,
      total_errors: errors,
      error_rate: requests === 0 ? 0 : errors / requests,
      circuit_breakers: this.circuitBreakers(),
      version: live.version,
      uptime_seconds: Math.round(this.views.clock.nowMs() - live.startedMs) / 1000,
      config_epoch: this.views.config.epoch,
      configuration: configurationRow(this.views.configuration()),
      in_flight: live.inFlight,
      connections: {
        open: ofConnections('open'),
        refused_in_all: ofConnections('refusedInAll'),
        refused_of_address: ofConnections('refusedOfAddress'),
      },
      http2: http2Row(live.listeners),
      moved_requests: sumOfAcceptors(live, (one) => one.movedRequests),
      process: processRow(),
      counters: processFigures(this.views.figures, totals, this.views.config.capacity),
      compression: codingRows(this.views.figures),
      problems: problemRows(this.views.figures),
    };
  }

  private tailRows(live: LiveFigures): Record<string, unknown> {
    return {
      targets: this.targetRows(),
      mirrors: mirrorRows(this.views),
      fallbacks: fallbackRows(this.views),
      splits: this.views.config.rollouts.map((one) => splitRow(this.views, one)),
      target_names: live.targetNames.map(targetNameRow),
      discovery: live.discovery.map(discoveryRow),
      adaptive_concurrency: concurrencyRows(this.views.config, this.views.concurrency),
      threads: threadRow(live),
      acceptors: live.acceptors.map(acceptorRow),
      event_loops: this.eventLoops(),
      coordinator: { deaths: live.coordinatorDeaths, ...this.views.coordinator.readCounts() },
      store: live.store === null ? null : storeRow(live.store),
      plugins: pluginRows(this.views),
      spiffe: live.workload === null ? null : workloadRow(live.workload, this.views.clock.unixMs()),
    };
  }

  /** The member `routes`; what comes of it is how long all requests took. */
  private *routePieces({ routes }: ServedConfig): Generator<string, Histogram> {
    const { figures } = this.views;
    let durations = figures.durationsOf(NO_ROUTE);
    yield ',\n  "routes": {';
    let comma = '';
    for (const { name, index } of routes) {
      const row = textOf(this.routeRow(index)).replaceAll('\n', '\n    ');
      yield `${comma}\n    ${JSON.stringify(name)}: ${row}`;
      comma = ',';
      durations = addHistograms([durations, figures.durationsOf(index)]);
    }
    yield '\n  }';
    return durations;
  }

  private circuitBreakers(): Record<string, TargetStateName> {
    const shown: Record<string, TargetStateName> = {};
    for (const target of this.views.config.targets) {
      const state = this.views.targets.stateNameOf(target.index);
      const before = shown[target.hostPort] ?? 'CLOSED';
      const isWorse = STATES_BY_SEVERITY.indexOf(state) > STATES_BY_SEVERITY.indexOf(before);
      shown[target.hostPort] = isWorse ? state : before;
    }
    return shown;
  }

  private routeRow(index: number): object {
    const { figures } = this.views;
    const { requests, errors, byStatusClass } = figures.ofRoute(index);
    const methods = METHOD_CLASSES.map((name, method) => {
      const counts = STATUS_CLASSES.map((_, status) =>
        figures.requestsByClass(index, method, status),
      );
      return [name, counts.reduce((total, count) => total + count, 0)];
    });
    return {
      requests,
      errors,
      rate_limited: figures.sum(routeCounter(index, ROUTE_COUNTERS.rateLimited)),
      unauthorized: figures.sum(routeCounter(index, ROUTE_COUNTERS.unauthorized)),
      event_streams: figures.eventStreamsOf(index),
      websockets: webSocketRow(figures.webSocketsOf(index)),
      cache: routeCacheRow(figures.cacheOf(index)),
      methods: Object.fromEntries(methods),
      statuses: Object.fromEntries(STATUS_CLASSES.map((name, at) => [name, byStatusClass[at]])),
      latency: latencyRow(figures.durationsOf(index)),
    };
  }

  /** The member `limits`. */
  private *limitPieces({ routes, limiters }: ServedConfig): Generator<string> {
    const routeOf = new Map<number, string>();
    for (const route of routes) {
      for (const index of route.limiterIndexes) routeOf.set(index, route.name);
      yield '';
    }
    yield ',\n  "limits": [';
    let comma = '';
    for (const limiter of limiters) {
      const row = this.limitRow(limiter, routeOf.get(limiter.index) ?? '');
      yield `${comma}\n    ${textOf(row).replaceAll('\n', '\n    ')}`;
      comma = ',';
    }
    yield '\n  ]';
  }

  private limitRow(limiter: CompiledLimiter, route: string): object {
    const { index, name, algorithm, limit, windowMs, mode } = limiter;
    const figures = Object.entries(this.views.limitCounts.read(index));
    return {
      limit: name,
      route,
      algorithm,
      quota: limit,
      ...(windowMs === 0 ? {} : { window_seconds: windowMs / 1000 }),
      mode,
      ...Object.fromEntries(figures.map(([figure, value]) => [snakeCase(figure), value])),
    };
  }

  private targetRows(): object[] {
    const { config } = this.views;
    const upstreams = byRow(config.upstreams);
    return config.targets.map((target) => {
      const figures = Object.entries(TARGET_COUNTERS).map(([name, figure]) => [
        snakeCase(name),
        this.views.figures.sum(targetCounter(config.capacity, target.index, figure)),
      ]);
      const sinceMs = this.views.targets.sinceMsOf(target.index);
      const upstream = defined(upstreams[target.upstreamIndex], 'the upstream of a target');
      return {
        target: target.hostPort,
        upstream: upstream.name,
        ...standingOf(this.views.targets, target, upstream, this.views.moment),
        in_flight: this.views.loads.inFlightOf(target.index),
        weight: target.weight,
        backup: target.isBackup,
        circuit_breaker: this.views.targets.stateNameOf(target.index),
        in_state_seconds:
          sinceMs === 0 ? null : Math.round(this.views.clock.nowMs() - sinceMs) / 1000,
        consecutive_failures: this.views.targets.failuresOf(target.index),
        times_opened: this.views.targets.opensOf(target.index),
        ejections: this.views.targets.ejectionsOf(target.index),
        ...Object.fromEntries(figures),
        latency: latencyRow(
          this.views.figures.histogram(targetLatencyHistogram(config.capacity, target.index)),
        ),
      };
    });
  }

  private eventLoops(): object[] {
    return this.views.figures.blocks.map((block, at) => {
      const delays = this.views.figures.histogram(loopDelayHistogram(), [block]);
      return {
        thread: this.views.figures.threads[at],
        delay_p50_ms: rounded(quantileMs(delays, 0.5)),
        delay_p99_ms: rounded(quantileMs(delays, 0.99)),
        active_seconds: rounded(block.read(COUNTERS.loopActiveMs) / 1000),
        heap_used_bytes: block.read(COUNTERS.heapUsedBytes),
        dropped_log_lines: block.read(COUNTERS.droppedLogLines),
      };
    });
  }

  private *workers(live: LiveFigures): Generator<string, object[]> {
    const rows: object[] = [];
    for (const [index, lane] of live.lanes.entries()) {
      const block = this.views.figures.ofWorker(index);
      const blocks = block === undefined ? [] : [block];
      const { requests, errors } = yield* this.views.figures.walkAll(blocks);
      rows.push({
        ...laneRow(lane, index),
        deaths: live.workerDeaths[index] ?? 0,
        requests,
        errors,
        records_read: block?.read(COUNTERS.laneRecords) ?? 0,
        acceptor_wakes: block?.read(COUNTERS.laneWakes) ?? 0,
      });
    }
    return rows;
  }
}

/** `acceptor`: the thread of the first one. */
function threadRow({ threads, acceptors }: LiveFigures): object {
  return { acceptor: acceptors[0]?.osThreadId, ...threads };
}

/** As all pages show JSON. */
function textOf(value: object): string {
  return JSON.stringify(value, null, 2);
}

/** Of an object that has more members: all but its end. */
function openText(members: object): string {
  return textOf(members).slice(0, -2);
}

function webSocketRow(figures: WebSocketFigures): object {
  const closes = CLOSE_CODES.map((code, at) => [code || 'other', figures.closes[at] ?? 0] as const);
  return {
    open: figures.open,
    opened: figures.opened,
    messages: { up: figures.messagesUp, down: figures.messagesDown },
    bytes: { up: figures.bytesUp, down: figures.bytesDown },
    closes: Object.fromEntries(closes.filter(([, count]) => count > 0)),
  };
}
