/**
 * All that the admin pages read: counter blocks, the coordinator's tables, and what only the main
 * thread knows.
 *
 * Thread: acceptor. Reads only; nobody is asked, and nobody waits.
 */
import { ConcurrencyView } from '../channel/coordinator/concurrency-memory.js';
import { CoordinatorStatus } from '../channel/coordinator/coordinator-status.js';
import { LimitCountsView } from '../channel/coordinator/limit-counts.js';
import { TargetLoadView } from '../channel/coordinator/target-loads.js';
import { TargetStateView } from '../channel/coordinator/target-states.js';
import { refusalRingOffset } from '../channel/counter-block.js';
import { RefusalRingReader } from '../channel/refusal-ring.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { counterCount } from '../observability/counters.js';
import { MergedFigures } from './merged-figures.js';
import { type NotedRefusal, readRefusals } from './recent-refusals.js';

/** One lane, as the acceptor sees it. */
export interface LaneRow {
  readonly lane: number;
  readonly served: boolean;
  readonly in_flight: number;
  readonly stale_records: number;
  readonly backlog_bytes: number;
  /** Blocks of memory that long replies are read into. */
  readonly body_blocks: number;
  /** On the way to the worker, and back. */
  readonly request_bytes: number;
  readonly reply_bytes: number;
  /** Records read from the worker. */
  readonly records: number;
  /** Times that the worker was woken. */
  readonly wakes: number;
}

/** A host name among the targets whose addresses are targets. */
export interface TargetNameRow {
  readonly name: string;
  /** Empty: nothing is known yet, and each connection looks it up. */
  readonly addresses: readonly string[];
  /** Addresses that the last look-up found and that there is no room for. */
  readonly left_out: number;
  /** Why the last look-up failed; null: it did not. */
  readonly failure: string | null;
  /** Since the last look-up that did not fail; null: none so far. */
  readonly age_seconds: number | null;
}

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
  readonly connections: {
    readonly open: number;
    readonly refusedInAll: number;
    readonly refusedOfAddress: number;
  };
  /** Requests that went on with another worker after theirs had died. */
  readonly movedRequests: number;
  readonly workerDeaths: readonly number[];
  readonly coordinatorDeaths: number;
  readonly targetNames: readonly TargetNameRow[];
}

type Buffers = ConstructorParameters<typeof MergedFigures>[0];

export interface ViewSources {
  /** In force at the moment. */
  readonly config: CompiledConfig;
  /** The acceptor's block first, then the workers'. */
  readonly counters: Buffers;
  readonly targets: Buffers[number];
  readonly loads: Buffers[number];
  readonly coordinatorStatus: Buffers[number];
  readonly limitCounts: Buffers;
  readonly concurrency: Buffers[number];
  live(): LiveFigures;
  /** Where the configuration comes from, and what came of changing it. */
  configuration(): object;
}

export class GatewayViews {
  readonly figures: MergedFigures;
  readonly targets: TargetStateView;
  readonly loads: TargetLoadView;
  readonly coordinator: CoordinatorStatus;
  readonly limitCounts: LimitCountsView;
  readonly concurrency: ConcurrencyView;

  private readonly rings: readonly RefusalRingReader[];

  constructor(private readonly sources: ViewSources) {
    const { capacity } = sources.config;
    const offset = refusalRingOffset(counterCount(capacity));
    this.rings = sources.counters.map((buffer) => new RefusalRingReader(buffer, offset));
    this.figures = new MergedFigures(sources.counters, capacity.routes);
    this.targets = new TargetStateView(sources.targets);
    this.coordinator = new CoordinatorStatus(sources.coordinatorStatus);
    this.loads = new TargetLoadView(sources.loads, capacity.targets, this.coordinator);
    this.limitCounts = new LimitCountsView(sources.limitCounts);
    this.concurrency = new ConcurrencyView(
      sources.concurrency,
      capacity.upstreams,
      this.coordinator,
    );
  }

  /** In force at the moment. */
  get config(): CompiledConfig {
    return this.sources.config;
  }

  live(): LiveFigures {
    return this.sources.live();
  }

  /** The last refusals, newest first. */
  refusals(): NotedRefusal[] {
    return readRefusals(this.rings);
  }

  configuration(): object {
    return this.sources.configuration();
  }
}
