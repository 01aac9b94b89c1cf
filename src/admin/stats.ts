/**
 * GET /stats: every figure, as JSON.
 *
 * Thread: acceptor. Reads counter blocks and the coordinator's tables; asks nobody.
 */
import { defined } from '../base/assert.js';
import { monotonicMs } from '../base/clock.js';
import { CoordinatorStatus } from '../channel/coordinator-status.js';
import { LimitCounts } from '../channel/limit-counts.js';
import { TargetLoadView } from '../channel/target-loads.js';
import { type TargetStateName, TargetStateView } from '../channel/target-states.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import {
  COUNTERS,
  durationHistogram,
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
import { addHistograms, type Histogram, MergedFigures, quantileMs } from './merged-figures.js';
import {
  latencyRow,
  problemRows,
  processFigures,
  processRow,
  rounded,
  snakeCase,
} from './stats-rows.js';
import { standingOf } from './target-standing.js';
import { threadName } from './thread-name.js';

/** What changes from moment to moment and is not in shared memory. */
export interface LiveFigures {
  readonly version: string;
  readonly startedMs: number;
  readonly inFlight: number;
  readonly threads: {
    readonly acceptor: number;
    readonly workers: readonly number[];
    readonly coordinator: number;
  };
  readonly lanes: readonly LaneRow[];
  readonly workerDeaths: readonly number[];
  readonly coordinatorDeaths: number;
}

/** One lane, as the acceptor sees it. */
export interface LaneRow {
  readonly lane: number;
  readonly served: boolean;
  readonly in_flight: number;
  readonly stale_records: number;
  readonly backlog_bytes: number;
  /** On the way to the worker, and back. */
  readonly request_bytes: number;
  readonly reply_bytes: number;
  /** Records read from the worker. */
  readonly records: number;
  /** Times that the worker was woken. */
  readonly wakes: number;
}

export interface StatsSources {
  readonly config: CompiledConfig;
  /** The acceptor's block first, then the workers'. */
  readonly counters: readonly SharedArrayBuffer[];
  readonly targets: SharedArrayBuffer;
  readonly loads: SharedArrayBuffer;
  readonly coordinatorStatus: SharedArrayBuffer;
  readonly limitCounts: SharedArrayBuffer;
  live(): LiveFigures;
}

/** From best to worst: of targets with one address in several upstreams the worst is shown. */
const STATES_BY_SEVERITY: readonly TargetStateName[] = ['CLOSED', 'HALF_OPEN', 'OPEN'];

export class StatsReader {
  private readonly figures: MergedFigures;
  private readonly targets: TargetStateView;
  private readonly loads: TargetLoadView;
  private readonly coordinator: CoordinatorStatus;
  private readonly limitCounts: LimitCounts;

  constructor(private readonly sources: StatsSources) {
    this.figures = new MergedFigures(sources.counters, sources.config.routes.length);
    this.targets = new TargetStateView(sources.targets);
    this.coordinator = new CoordinatorStatus(sources.coordinatorStatus);
    const { loads, config } = sources;
    this.loads = new TargetLoadView(loads, Math.max(1, config.targets.length), this.coordinator);
    this.limitCounts = new LimitCounts(sources.limitCounts);
  }

  /** The document that /stats shows. */
  read(): Record<string, unknown> {
    const live = this.sources.live();
    const totals = this.figures.ofAll();
    const { requests, errors } = totals;
    return {
      total_requests: requests,
      total_errors: errors,
      error_rate: requests === 0 ? 0 : errors / requests,
      circuit_breakers: this.circuitBreakers(),
      version: live.version,
      uptime_seconds: Math.round(monotonicMs() - live.startedMs) / 1000,
      config_epoch: this.sources.config.epoch,
      in_flight: live.inFlight,
      process: processRow(),
      counters: processFigures(this.figures, totals, this.sources.config),
      problems: problemRows(this.figures),
      latency: latencyRow(this.allDurations()),
      routes: this.routes(),
      unrouted: this.routeRow(NO_ROUTE),
      limits: this.limits(),
      targets: this.targetRows(),
      threads: live.threads,
      event_loops: this.eventLoops(),
      workers: this.workers(live),
      coordinator: { deaths: live.coordinatorDeaths, ...this.coordinator.readCounts() },
    };
  }

  private allDurations(): Histogram {
    const { routes } = this.sources.config;
    const all = [NO_ROUTE, ...routes.map(({ index }) => index)];
    return addHistograms(all.map((index) => this.figures.histogram(durationHistogram(index))));
  }

  private circuitBreakers(): Record<string, TargetStateName> {
    const shown: Record<string, TargetStateName> = {};
    for (const target of this.sources.config.targets) {
      const state = this.targets.stateNameOf(target.index);
      const before = shown[target.hostPort] ?? 'CLOSED';
      const isWorse = STATES_BY_SEVERITY.indexOf(state) > STATES_BY_SEVERITY.indexOf(before);
      shown[target.hostPort] = isWorse ? state : before;
    }
    return shown;
  }

  private routes(): Record<string, object> {
    const { routes } = this.sources.config;
    return Object.fromEntries(routes.map(({ name, index }) => [name, this.routeRow(index)]));
  }

  private routeRow(index: number): object {
    const { figures } = this;
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
      methods: Object.fromEntries(methods),
      statuses: Object.fromEntries(STATUS_CLASSES.map((name, at) => [name, byStatusClass[at]])),
      latency: latencyRow(figures.histogram(durationHistogram(index))),
    };
  }

  private limits(): object[] {
    const { config } = this.sources;
    const routeOf = new Map<number, string>();
    for (const route of config.routes) {
      for (const index of route.limiterIndexes) routeOf.set(index, route.name);
    }
    return config.limiters.map(({ index, name, algorithm, limit, windowMs, mode }) => {
      const figures = Object.entries(this.limitCounts.read(index));
      return {
        limit: name,
        route: routeOf.get(index) ?? '',
        algorithm,
        quota: limit,
        ...(windowMs === 0 ? {} : { window_seconds: windowMs / 1000 }),
        mode,
        ...Object.fromEntries(figures.map(([figure, value]) => [snakeCase(figure), value])),
      };
    });
  }

  private targetRows(): object[] {
    const { config } = this.sources;
    return config.targets.map((target) => {
      const figures = Object.entries(TARGET_COUNTERS).map(([name, figure]) => [
        snakeCase(name),
        this.figures.sum(targetCounter(config, target.index, figure)),
      ]);
      const sinceMs = this.targets.sinceMsOf(target.index);
      const upstream = defined(config.upstreams[target.upstreamIndex], 'the upstream of a target');
      return {
        target: target.hostPort,
        upstream: upstream.name,
        ...standingOf(this.targets, target, upstream),
        in_flight: this.loads.inFlightOf(target.index),
        weight: target.weight,
        backup: target.isBackup,
        circuit_breaker: this.targets.stateNameOf(target.index),
        in_state_seconds: sinceMs === 0 ? null : Math.round(monotonicMs() - sinceMs) / 1000,
        consecutive_failures: this.targets.failuresOf(target.index),
        times_opened: this.targets.opensOf(target.index),
        ejections: this.targets.ejectionsOf(target.index),
        ...Object.fromEntries(figures),
        latency: latencyRow(this.figures.histogram(targetLatencyHistogram(config, target.index))),
      };
    });
  }

  private eventLoops(): object[] {
    return this.figures.blocks.map((block, at) => {
      const delays = this.figures.histogram(loopDelayHistogram(), [block]);
      return {
        thread: threadName(at),
        delay_p50_ms: rounded(quantileMs(delays, 0.5)),
        delay_p99_ms: rounded(quantileMs(delays, 0.99)),
        active_seconds: rounded(block.read(COUNTERS.loopActiveMs) / 1000),
        heap_used_bytes: block.read(COUNTERS.heapUsedBytes),
        dropped_log_lines: block.read(COUNTERS.droppedLogLines),
      };
    });
  }

  private workers(live: LiveFigures): object[] {
    return live.lanes.map((lane, index) => {
      const block = this.figures.blocks[index + 1];
      const { requests, errors } = this.figures.ofAll(block === undefined ? [] : [block]);
      return {
        ...lane,
        deaths: live.workerDeaths[index] ?? 0,
        requests,
        errors,
        records_read: block?.read(COUNTERS.laneRecords) ?? 0,
        acceptor_wakes: block?.read(COUNTERS.laneWakes) ?? 0,
      };
    });
  }
}
