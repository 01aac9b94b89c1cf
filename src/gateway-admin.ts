/**
 * The pages of a gateway's admin listener, and where they have their facts from.
 *
 * Thread: supervisor (on the main thread). Owns the explainer, once somebody has asked for one.
 */
import type { AcceptorFront } from './acceptor/acceptor-front.js';
import type { AdminHandler } from './admin/admin-handler.js';
import { GatewayViews } from './admin/gateway-views.js';
import { purgeHandler } from './admin/handlers/cache-handlers.js';
import { type ChangeOutcome, configHandlers } from './admin/handlers/config-handlers.js';
import { dashboardHandlers } from './admin/handlers/dashboard-handlers.js';
import { explainHandler } from './admin/handlers/explain-handler.js';
import { type FaultInjector, faultHandlers } from './admin/handlers/fault-handlers.js';
import { healthzHandler, readyzHandler } from './admin/handlers/health-handlers.js';
import { type KeysControl, keyHandlers } from './admin/handlers/key-handlers.js';
import { metricsHandler } from './admin/handlers/metrics-handler.js';
import { mirrorHandler } from './admin/handlers/mirror-handler.js';
import { pluginHandlers } from './admin/handlers/plugin-handlers.js';
import { recentHandler } from './admin/handlers/recent-handler.js';
import { type ReplayControl, replayHandlers } from './admin/handlers/replay-handlers.js';
import { splitHandlers } from './admin/handlers/split-handlers.js';
import { statsHandler } from './admin/handlers/stats-handler.js';
import type { LiveFigures } from './admin/live-figures.js';
import { MetricsReader } from './admin/metrics.js';
import { mirrorRows } from './admin/mirror-rows.js';
import { pluginRows } from './admin/plugin-figures.js';
import { splitRow } from './admin/split-rows.js';
import { StatsReader } from './admin/stats.js';
import type { Clock } from './base/clock.js';
import { formatChange } from './config/changes/diff-config.js';
import type { LiveExplainer } from './explain/live-explainer.js';
import { counterCount } from './observability/counters.js';
import { osThreadId } from './observability/kernel-facts.js';
import { recordsOf } from './replay/kept-records.js';
import { RecentReplays } from './replay/replay-aside.js';
import type { AcceptorCells } from './supervisor/acceptor-cells.js';
import type { ListenerCertificates } from './supervisor/certificates/listener-certificates.js';
import type { Discovery } from './supervisor/discovery/discovery.js';
import type { EngineChoice } from './supervisor/engine-choice.js';
import { shownOf } from './supervisor/loading/kept-version.js';
import type { NameWatcher } from './supervisor/name-watcher.js';
import type { Reloader, ReloadResult } from './supervisor/reloader.js';
import type { Workload } from './supervisor/spiffe/workload.js';
import type { Supervisor } from './supervisor/supervisor.js';

/** The gateway that the pages are about. */
export interface ShownGateway {
  readonly version: string;
  readonly clock: Clock;
  readonly front: AcceptorFront;
  /** null: the acceptor has no thread of its own. */
  readonly cells: AcceptorCells | null;
  readonly supervisor: Supervisor;
  readonly engines: EngineChoice;
  readonly reloader: Reloader;
  readonly names: NameWatcher;
  readonly discovery: Discovery;
  readonly certificates: ListenerCertificates;
  readonly workload: Workload;
  /** Whether there are pages that make threads fail. */
  readonly isChaosAllowed: boolean;
  /** What /readyz says. */
  readiness(): string;
}

export class GatewayAdmin {
  private readonly startedMs: number;
  private readonly views: GatewayViews;
  private explainer: LiveExplainer | null = null;
  private readonly replays = new RecentReplays();

  constructor(private readonly gateway: ShownGateway) {
    const { clock, front, supervisor, reloader } = gateway;
    this.startedMs = clock.nowMs();
    const { memory } = supervisor.coordinator;
    this.views = new GatewayViews({
      clock,
      get config() {
        return supervisor.shownConfig;
      },
      counters: [...front.counters, ...supervisor.counters],
      threads: [...front.threadNames, ...supervisor.counters.map((_, lane) => `worker-${lane}`)],
      targets: memory.targets,
      loads: memory.loads,
      coordinatorStatus: memory.status,
      limitCounts: memory.limitCounts,
      concurrency: memory.concurrency,
      rollouts: memory.rollouts,
      cache: supervisor.cache,
      plugins: supervisor.plugins.memory,
      live: () => this.liveFigures(),
      configuration: () => reloader.status(),
    });
  }

  /** All pages. */
  handlers(): AdminHandler[] {
    const { views, gateway } = this;
    const { clock, front, supervisor, reloader } = gateway;
    const refresh = (): Promise<void> => front.refresh();
    return [
      statsHandler(new StatsReader(views), clock.nowMs, refresh),
      metricsHandler(new MetricsReader(views), clock.nowMs, refresh),
      explainHandler(async (request) => (await this.loadExplainer()).explain(request)),
      recentHandler(async () => (await this.loadExplainer()).recent(views.refusals())),
      ...dashboardHandlers(),
      mirrorHandler({
        rows: () => mirrorRows(views),
        samples: () => supervisor.mirrorSamples.list(),
      }),
      ...splitHandlers({
        rollouts: () => supervisor.config.rollouts,
        rowOf: (rollout) => splitRow(views, rollout),
        order: (row, order, share) => supervisor.coordinator.orderRollout(row, order, share),
      }),
      ...pluginHandlers({
        rows: () => pluginRows(views),
        restore: async (name) => {
          const result = await reloader.restorePlugin(name);
          return result.outcome === 'refused' ? result.reasons : [];
        },
      }),
      ...configHandlers({
        shown: () => ({ epoch: supervisor.config.epoch, config: shownOf(reloader.current) }),
        reload: () => untilTrial(reloader),
        rollback: async () => outcomeOf(await reloader.rollback()),
      }),
      ...replayHandlers(this.replayControl()),
      purgeHandler((order) => supervisor.purges.purge(order)),
      ...keyHandlers(this.keysControl()),
      healthzHandler(),
      readyzHandler({
        state: () => gateway.readiness(),
        origin: () => reloader.status().origin,
        unanswered: () => gateway.discovery.unanswered,
        idleCells: () => gateway.cells?.idleCells ?? 0,
        restingAcceptors: () => gateway.cells?.restingAcceptors ?? 0,
        workload: () => gateway.workload.status(),
      }),
      ...(gateway.isChaosAllowed ? faultHandlers(this.faultInjector()) : []),
    ];
  }

  private replayControl(): ReplayControl {
    const { front, supervisor, reloader, clock } = this.gateway;
    const { admin, capacity, machine } = supervisor.config;
    const kept = {
      memories: [...front.counters, ...supervisor.counters],
      figures: counterCount(capacity),
    };
    return {
      isOn: admin.replayBytes > 0,
      records: () =>
        recordsOf(kept)
          .map((line) => `${line}\n`)
          .join(''),
      replay: (document, agoMs) =>
        this.replays.run({
          ...kept,
          asked: { ...reloader.surroundings, text: document, machine },
          against: reloader.current.compiled,
          sinceUnixMs: clock.unixMs() - agoMs,
        }),
    };
  }

  private keysControl(): KeysControl {
    const { supervisor } = this.gateway;
    return {
      authenticators: () =>
        supervisor.config.authenticators
          .filter((one) => one.type === 'apiKey' && one.isManaged)
          .map(({ name }) => name),
      keys: () => supervisor.apiKeys,
    };
  }

  private faultInjector(): FaultInjector {
    const { supervisor, cells } = this.gateway;
    return {
      workers: supervisor.workers,
      injectWorkerFault: (lane, fault) => supervisor.injectWorkerFault(lane, fault),
      acceptors: cells?.threadCount ?? 0,
      injectAcceptorFault: (acceptor, fault) => cells?.injectFault(acceptor, fault) ?? false,
      injectCoordinatorFault: (fault) => supervisor.injectCoordinatorFault(fault),
      hasStore: supervisor.store !== null,
      injectStoreFault: (fault) => supervisor.store?.injectFault(fault),
    };
  }

  /** Loaded at the first use: it brings much of the workers' code to this thread. */
  private async loadExplainer(): Promise<LiveExplainer> {
    const { LiveExplainer } = await import('./explain/live-explainer.js');
    const { supervisor, engines, clock } = this.gateway;
    this.explainer ??= new LiveExplainer({
      get config() {
        return supervisor.shownConfig;
      },
      engineOf: (listener) => engines.engineOf(listener),
      memory: supervisor.coordinator.memory,
      cache: supervisor.cache,
      hashKey: supervisor.hashKey,
      clock,
    });
    return this.explainer;
  }

  private liveFigures(): LiveFigures {
    const { version, front, supervisor, names, discovery, certificates } = this.gateway;
    const { workload } = this.gateway;
    const { lanes, coordinator, store } = supervisor;
    return {
      version,
      startedMs: this.startedMs,
      inFlight: front.inFlight,
      threads: {
        main: osThreadId(),
        workers: lanes.map((lane) => lane.osThreadId),
        coordinator: coordinator.osThreadId,
      },
      lanes: front.laneFigures(),
      acceptors: front.acceptorFigures(),
      workerDeaths: lanes.map((lane) => lane.deaths),
      coordinatorDeaths: coordinator.deaths,
      store: store?.figures ?? null,
      targetNames: names.status(),
      discovery: discovery.status(),
      listeners: front.listenerFigures(),
      certificates: certificates.status(),
      workload: workload.status(),
    };
  }
}

/** Resolves with what came of a reload, or as soon as it is on trial. */
function untilTrial(reloader: Reloader): Promise<ChangeOutcome> {
  return new Promise((resolve, reject) => {
    const result = reloader.reload('admin', (trial) => resolve({ outcome: 'onTrial', ...trial }));
    result.then((told) => resolve(outcomeOf(told)), reject);
  });
}

function outcomeOf(result: ReloadResult): ChangeOutcome {
  if (result.outcome === 'refused') return result;
  return { ...result, changes: result.changes.map(formatChange) };
}
