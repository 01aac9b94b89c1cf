/**
 * GET /stats: every figure, as JSON.
 *
 * Thread: acceptor. Reads counter blocks and the coordinator's tables; asks no thread.
 */
import { defined } from '../base/assert.js';
import { byRow } from '../base/rows.js';
import type { TargetStateName } from '../channel/coordinator/target-states.js';
import {
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
import type { GatewayViews } from './gateway-views.js';
import type { LiveFigures } from './live-figures.js';
import { configurationRow, laneRow, targetNameRow } from './live-rows.js';
import { addHistograms, type Histogram, quantileMs, threadName } from './merged-figures.js';
import {
  concurrencyRows,
  latencyRow,
  problemRows,
  processFigures,
  processRow,
  rounded,
  snakeCase,
} from './stats-rows.js';
import { standingOf } from './target-standing.js';

/**
 * From best to worst. When several upstreams have a target with the same address, the worst state
 * is shown.
 */
const STATES_BY_SEVERITY: readonly TargetStateName[] = ['CLOSED', 'HALF_OPEN', 'OPEN'];

export class StatsReader {
  constructor(private readonly views: GatewayViews) {}

  /** The document that /stats shows. */
  read(): Record<string, unknown> {
    const live = this.views.live();
    const totals = this.views.figures.ofAll();
    const { requests, errors } = totals;
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
        open: live.connections.open,
        refused_in_all: live.connections.refusedInAll,
        refused_of_address: live.connections.refusedOfAddress,
      },
      moved_requests: live.movedRequests,
      process: processRow(),
      counters: processFigures(this.views.figures, totals, this.views.config.capacity),
      problems: problemRows(this.views.figures),
      latency: latencyRow(this.allDurations()),
      routes: this.routes(),
      unrouted: this.routeRow(NO_ROUTE),
      limits: this.limits(),
      targets: this.targetRows(),
      target_names: live.targetNames.map(targetNameRow),
      adaptive_concurrency: concurrencyRows(this.views.config, this.views.concurrency),
      threads: live.threads,
      event_loops: this.eventLoops(),
      workers: this.workers(live),
      coordinator: { deaths: live.coordinatorDeaths, ...this.views.coordinator.readCounts() },
    };
  }

  private allDurations(): Histogram {
    const { routes } = this.views.config;
    const all = [NO_ROUTE, ...Array.from(routes, ({ index }) => index)];
    return addHistograms(all.map((index) => this.views.figures.durationsOf(index)));
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

  private routes(): Record<string, object> {
    const { routes } = this.views.config;
    return Object.fromEntries(
      Array.from(routes, ({ name, index }) => [name, this.routeRow(index)]),
    );
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
      methods: Object.fromEntries(methods),
      statuses: Object.fromEntries(STATUS_CLASSES.map((name, at) => [name, byStatusClass[at]])),
      latency: latencyRow(figures.durationsOf(index)),
    };
  }

  private limits(): object[] {
    const { config } = this.views;
    const routeOf = new Map<number, string>();
    for (const route of config.routes) {
      for (const index of route.limiterIndexes) routeOf.set(index, route.name);
    }
    return Array.from(config.limiters, ({ index, name, algorithm, limit, windowMs, mode }) => {
      const figures = Object.entries(this.views.limitCounts.read(index));
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
      const block = this.views.figures.blocks[index + 1];
      const { requests, errors } = this.views.figures.ofAll(block === undefined ? [] : [block]);
      return {
        ...laneRow(lane, index),
        deaths: live.workerDeaths[index] ?? 0,
        requests,
        errors,
        records_read: block?.read(COUNTERS.laneRecords) ?? 0,
        acceptor_wakes: block?.read(COUNTERS.laneWakes) ?? 0,
      };
    });
  }
}
