/**
 * Everything that the admin pages read: counter blocks, the coordinator's tables, stored replies,
 * and facts of the main thread.
 *
 * Thread: supervisor (on the main thread). Only reads memory: no thread is asked, and nobody waits.
 */
import { type Clock, type Moment, momentOf } from '../base/clock.js';
import type { CacheMemory } from '../channel/cache/cache-memory.js';
import { ConcurrencyView } from '../channel/coordinator/concurrency-memory.js';
import { CoordinatorStatus } from '../channel/coordinator/coordinator-status.js';
import { LimitCountsView } from '../channel/coordinator/limit-counts.js';
import { RolloutView } from '../channel/coordinator/rollout-memory.js';
import { TargetLoadView } from '../channel/coordinator/target-loads.js';
import { TargetStateView } from '../channel/coordinator/target-states.js';
import { refusalRingOffset } from '../channel/counter-block.js';
import { PluginBoardView, type PluginMemory } from '../channel/plugins/plugin-board.js';
import { RefusalRingReader } from '../channel/refusal-ring.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import { counterCount } from '../observability/counters.js';
import type { ReloadStatus } from '../observability/gateway-status.js';
import { CacheView } from './cache-view.js';
import type { LiveFigures } from './live-figures.js';
import { MergedFigures } from './merged-figures.js';
import { type NotedRefusal, readRefusals } from './recent-refusals.js';

type Buffers = ConstructorParameters<typeof MergedFigures>[0];

export interface ViewSources {
  readonly clock: Clock;
  /** The configuration in force. */
  readonly config: ServedConfig;
  /** Of all threads, and what the threads are called. */
  readonly counters: Buffers;
  readonly threads: readonly string[];
  readonly targets: Buffers[number];
  readonly loads: Buffers[number];
  readonly coordinatorStatus: Buffers[number];
  readonly limitCounts: Buffers;
  readonly concurrency: Buffers[number];
  readonly rollouts: Buffers[number];
  readonly cache: CacheMemory;
  readonly plugins: PluginMemory;
  live(): LiveFigures;
  configuration(): ReloadStatus;
}

export class GatewayViews {
  readonly figures: MergedFigures;
  readonly targets: TargetStateView;
  readonly loads: TargetLoadView;
  readonly coordinator: CoordinatorStatus;
  readonly limitCounts: LimitCountsView;
  readonly concurrency: ConcurrencyView;
  readonly rollouts: RolloutView;
  readonly cache: CacheView;
  readonly plugins: PluginBoardView;

  private readonly rings: readonly RefusalRingReader[];

  constructor(private readonly sources: ViewSources) {
    const { capacity } = sources.config;
    const offset = refusalRingOffset(counterCount(capacity));
    this.rings = sources.counters.map((buffer) => new RefusalRingReader(buffer, offset));
    this.figures = new MergedFigures(sources.counters, capacity, sources.threads);
    this.targets = new TargetStateView(sources.targets);
    this.coordinator = new CoordinatorStatus(sources.coordinatorStatus);
    this.loads = new TargetLoadView(sources.loads, capacity.targets, this.coordinator);
    this.rollouts = new RolloutView(sources.rollouts, capacity.rollouts);
    this.limitCounts = new LimitCountsView(sources.limitCounts);
    this.cache = new CacheView(sources.cache);
    this.plugins = new PluginBoardView(sources.plugins);
    this.concurrency = new ConcurrencyView(
      sources.concurrency,
      capacity.upstreams,
      this.coordinator,
    );
  }

  get clock(): Clock {
    return this.sources.clock;
  }

  /** The present moment on both clocks. */
  get moment(): Moment {
    return momentOf(this.sources.clock);
  }

  /** The configuration in force. */
  get config(): ServedConfig {
    return this.sources.config;
  }

  live(): LiveFigures {
    return this.sources.live();
  }

  /** The last refusals, newest first. */
  refusals(): NotedRefusal[] {
    return readRefusals(this.rings);
  }

  configuration(): ReloadStatus {
    return this.sources.configuration();
  }
}
