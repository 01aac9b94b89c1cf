/**
 * GET /stats: every figure, as JSON.
 *
 * Thread: acceptor. Reads counter blocks and the coordinator's tables; asks nobody.
 */
import { defined } from '../base/assert.js';
import { monotonicMs } from '../base/clock.js';
import { byRow } from '../base/rows.js';
import { CoordinatorStatus } from '../channel/coordinator-status.js';
import { CounterBlock } from '../channel/counter-block.js';
import { LimitCounts } from '../channel/limit-counts.js';
import { TargetLoadView } from '../channel/target-loads.js';
import { type TargetStateName, TargetStateView } from '../channel/target-states.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import {
  COUNTERS,
  ROUTE_COUNTERS,
  routeCounter,
  TARGET_COUNTERS,
  targetCounter,
} from '../observability/counters.js';
import { standingOf } from './target-standing.js';

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
  readonly lanes: readonly object[];
  readonly workerDeaths: readonly number[];
  readonly coordinatorDeaths: number;
}

export interface StatsSources {
  /** In force at the moment. */
  readonly config: CompiledConfig;
  /** The acceptor's block first, then the workers'. */
  readonly counters: readonly SharedArrayBuffer[];
  readonly targets: SharedArrayBuffer;
  readonly loads: SharedArrayBuffer;
  readonly coordinatorStatus: SharedArrayBuffer;
  readonly limitCounts: SharedArrayBuffer;
  live(): LiveFigures;
  /** Where the configuration comes from, and what came of changing it. */
  configuration(): object;
}

/** From best to worst: of targets with one address in several upstreams the worst is shown. */
const STATES_BY_SEVERITY: readonly TargetStateName[] = ['CLOSED', 'HALF_OPEN', 'OPEN'];

export class StatsReader {
  private readonly blocks: CounterBlock[];
  private readonly targets: TargetStateView;
  private readonly loads: TargetLoadView;
  private readonly coordinator: CoordinatorStatus;
  private readonly limitCounts: LimitCounts;

  constructor(private readonly sources: StatsSources) {
    this.blocks = sources.counters.map((buffer) => new CounterBlock(buffer));
    this.targets = new TargetStateView(sources.targets);
    this.coordinator = new CoordinatorStatus(sources.coordinatorStatus);
    const { loads, config } = sources;
    this.loads = new TargetLoadView(loads, config.capacity.targets, this.coordinator);
    this.limitCounts = new LimitCounts(sources.limitCounts);
  }

  /** The document that /stats shows. */
  read(): Record<string, unknown> {
    const live = this.sources.live();
    const requests = this.sum(COUNTERS.requests);
    const errors = this.sum(COUNTERS.errors);
    return {
      total_requests: requests,
      total_errors: errors,
      error_rate: requests === 0 ? 0 : errors / requests,
      circuit_breakers: this.circuitBreakers(),
      version: live.version,
      uptime_seconds: Math.round(monotonicMs() - live.startedMs) / 1000,
      config_epoch: this.sources.config.epoch,
      configuration: this.sources.configuration(),
      in_flight: live.inFlight,
      counters: this.processFigures(),
      routes: this.routes(),
      limits: this.limits(),
      targets: this.targetRows(),
      threads: live.threads,
      workers: this.workers(live),
      coordinator: { deaths: live.coordinatorDeaths, ...this.coordinator.readCounts() },
    };
  }

  private sum(index: number): number {
    return this.blocks.reduce((total, block) => total + block.read(index), 0);
  }

  private processFigures(): Record<string, number> {
    const names = Object.entries(COUNTERS).map(([name, index]) => [
      snakeCase(name),
      this.sum(index),
    ]);
    return Object.fromEntries(names);
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

  private routes(): Record<string, Record<string, number>> {
    const { config } = this.sources;
    const rows = config.routes.map((route) => {
      const figures = Object.entries(ROUTE_COUNTERS).map(([name, figure]) => [
        snakeCase(name),
        this.sum(routeCounter(config.capacity, route.index, figure)),
      ]);
      return [route.name, Object.fromEntries(figures)];
    });
    return Object.fromEntries(rows);
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
    const upstreams = byRow(config.upstreams);
    return config.targets.map((target) => {
      const figures = Object.entries(TARGET_COUNTERS).map(([name, figure]) => [
        snakeCase(name),
        this.sum(targetCounter(config.capacity, target.index, figure)),
      ]);
      const sinceMs = this.targets.sinceMsOf(target.index);
      const upstream = defined(upstreams[target.upstreamIndex], 'the upstream of a target');
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
      };
    });
  }

  private workers(live: LiveFigures): object[] {
    return live.lanes.map((lane, index) => {
      const block = this.blocks[index + 1];
      return {
        ...lane,
        deaths: live.workerDeaths[index] ?? 0,
        requests: block?.read(COUNTERS.requests) ?? 0,
        errors: block?.read(COUNTERS.errors) ?? 0,
      };
    });
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z0-9]+/g, (part) => `_${part.toLowerCase()}`);
}
