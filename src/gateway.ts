/**
 * Puts the gateway together: threads first, then the listeners; in the other order at the end.
 *
 * Thread: supervisor (on the main thread). The only file that knows all parts.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Acceptor } from './acceptor/acceptor.js';
import type { ConnectionRule } from './acceptor/connection-caps.js';
import { connectionRule } from './acceptor/connection-rule.js';
import { dispatchRule } from './acceptor/dispatch-rule.js';
import { LaneDispatcher } from './acceptor/lane-dispatcher.js';
import { LocalReplyMetrics } from './acceptor/local-reply-metrics.js';
import { loadNativeBinary } from './acceptor/uws/native-binary.js';
import { uwsEngine } from './acceptor/uws/uws-engine.js';
import { AdminAccess } from './admin/admin-access.js';
import type { AdminHandler } from './admin/admin-handler.js';
import { AdminListener } from './admin/admin-listener.js';
import { GatewayViews } from './admin/gateway-views.js';
import { type ChangeOutcome, configHandlers } from './admin/handlers/config-handlers.js';
import { dashboardHandlers } from './admin/handlers/dashboard-handlers.js';
import { explainHandler } from './admin/handlers/explain-handler.js';
import { faultHandlers } from './admin/handlers/fault-handlers.js';
import { healthzHandler, readyzHandler } from './admin/handlers/health-handlers.js';
import { metricsHandler } from './admin/handlers/metrics-handler.js';
import { recentHandler } from './admin/handlers/recent-handler.js';
import { statsHandler } from './admin/handlers/stats-handler.js';
import type { LiveFigures } from './admin/live-figures.js';
import { MetricsReader } from './admin/metrics.js';
import { StatsReader } from './admin/stats.js';
import { systemClock, systemRandom } from './base/clock.js';
import { RequestIdSource } from './base/request-id.js';
import { allocateCounters, CounterBlock, refusalRingOffset } from './channel/counter-block.js';
import { RefusalRingWriter } from './channel/refusal-ring.js';
import { readVersion } from './config/compile/version.js';
import { formatChange } from './config/diff-config.js';
import type { GatewayConfig } from './config/gateway-config.js';
import type { ServedConfig, SharedSettings } from './config/shared/shared-config.js';
import type { ConfigSource } from './config/source/config-source.js';
import type { LoadedConfig } from './config/source/load-file.js';
import type { LiveExplainer } from './explain/live-explainer.js';
import { createAccessLog } from './observability/access-log.js';
import { counterCount } from './observability/counters.js';
import { openFilesMax, osThreadId } from './observability/kernel-facts.js';
import { createThreadLogger, type ThreadLogger } from './observability/logger.js';
import { ThreadMeter } from './observability/thread-meter.js';
import { ConfigWatcher } from './supervisor/config-watcher.js';
import { type KeptVersion, keepVersion, shownOf } from './supervisor/loading/kept-version.js';
import { loadAside } from './supervisor/loading/load-aside.js';
import { NameWatcher } from './supervisor/name-watcher.js';
import { Reloader, type ReloadResult, type ReloadTrigger } from './supervisor/reloader.js';
import { Supervisor } from './supervisor/supervisor.js';
import { type LaneThreads, systemThreads } from './supervisor/threads.js';
import { type NameLookup, systemLookup } from './supervisor/watched-name.js';
import { createWorkerPool } from './supervisor/worker-pool.js';

/** The version of this package. */
export const VERSION = readVersion();

type GatewayState = 'new' | 'starting' | 'running' | 'draining' | 'stopped';

export interface GatewayOptions {
  /** Called when threads die too often. Default: the gateway logs it and stops. */
  onGivingUp?(reason: string): void;
  /**
   * The source from which the configuration is read again. Default: none, see {@link
   * Gateway.apply}.
   */
  readonly source?: ConfigSource;
  /** Looks up names of targets. Default: as the system does it. */
  readonly lookup?: NameLookup;
  /**
   * Whether the admin listener has pages that make threads fail, for tests. Default: whether the
   * environment has `GATEWAY_CHAOS=1`.
   */
  readonly isChaosAllowed?: boolean;
}

export class Gateway {
  readonly supervisor: Supervisor;
  private readonly dispatcher: LaneDispatcher;
  private readonly acceptor: Acceptor;
  private readonly adminAccess: AdminAccess;
  private readonly admin: AdminListener;
  private readonly log: ThreadLogger;
  private readonly reloader: Reloader;
  private readonly watcher: ConfigWatcher | null;
  private readonly names: NameWatcher;
  private readonly localReplies: LocalReplyMetrics;
  private readonly counters: SharedArrayBuffer;
  private readonly meter: ThreadMeter;
  private readonly startedMs = systemClock.nowMs();
  private state: GatewayState = 'new';
  private liveExplainer: LiveExplainer | null = null;
  private port = 0;
  private adminPort = 0;
  private stopping: Promise<boolean> | null = null;

  /**
   * `lanes`: threads that have begun to load their code. Default: threads that begin now.
   *
   * @throws NativeBinaryError when uWebSockets.js does not load on this machine.
   */
  constructor(
    first: LoadedConfig,
    private readonly options: GatewayOptions = {},
    lanes?: LaneThreads,
  ) {
    const kept = keepVersion(first);
    const { settings: config } = kept.compiled;
    const uws = loadNativeBinary();
    const clock = systemClock;
    this.log = createThreadLogger('acceptor', config.logging, clock);
    const { logger } = this.log;
    const onError = (error: unknown): void => logger.error({ err: error }, 'internal error');
    this.counters = allocateCounters(counterCount(config.capacity));
    this.dispatcher = new LaneDispatcher(config.workers, dispatchRule(config), onError, clock);
    this.tellPressureBy(config);
    this.supervisor = new Supervisor({
      first: kept.compiled,
      dispatcher: this.dispatcher,
      clock,
      random: systemRandom,
      threads: systemThreads(lanes ?? createWorkerPool(config)),
      logger,
      onGivingUp: (reason) => this.giveUp(reason),
    });
    const counters = new CounterBlock(this.counters);
    this.meter = new ThreadMeter(clock, counters, this.log.dropped);
    const offset = refusalRingOffset(counterCount(config.capacity));
    this.localReplies = new LocalReplyMetrics(
      clock,
      counters,
      new RefusalRingWriter(this.counters, offset),
      createAccessLog(this.log, config.logging, systemRandom),
    );
    this.acceptor = new Acceptor({
      createEngine: uwsEngine(uws),
      clock,
      config,
      dispatcher: this.dispatcher,
      requestIds: new RequestIdSource(randomBytes(6).toString('hex')),
      connections: this.connectionRule(),
      onAddressFull: (network) => this.warnOfAddress(network),
      onLocalReply: (record) => this.localReplies.close(record),
      onError,
    });
    this.reloader = this.createReloader(kept);
    this.watcher = this.createWatcher();
    this.names = new NameWatcher({
      lookup: options.lookup ?? systemLookup,
      logger,
      clock,
      apply: () => this.reloader.useAddresses(),
    });
    this.adminAccess = new AdminAccess(config.admin);
    this.admin = new AdminListener(uws, this.adminHandlers(), this.adminAccess, onError);
  }

  /** The configuration in force. */
  get config(): ServedConfig {
    return this.supervisor.config;
  }

  /** The address to which clients connect. Known once the gateway has started. */
  get address(): { readonly host: string; readonly port: number } {
    return { host: this.config.listen.host, port: this.port };
  }

  get adminAddress(): { readonly host: string; readonly port: number } {
    return { host: this.config.admin.host, port: this.adminPort };
  }

  /** Resolves when requests are accepted. Rejects when an address is in use or a thread fails. */
  async start(): Promise<void> {
    if (this.state !== 'new') throw new Error('a gateway starts once');
    this.state = 'starting';
    try {
      await this.supervisor.start();
      this.adminPort = await this.admin.listen(this.config.admin);
      this.port = await this.acceptor.listen();
    } catch (error) {
      await this.end();
      throw error;
    }
    this.state = 'running';
    this.watcher?.start();
    this.names.adopt(this.config);
    this.log.logger.info(
      {
        version: VERSION,
        ...this.address,
        admin: this.adminAddress,
        workers: this.config.workers,
        ...containerOf(this.config),
        routes: this.config.routes.length,
        upstreams: this.config.upstreams.length,
        pid: process.pid,
      },
      'gateway started',
    );
    if (!this.isChaosAllowed) return;
    this.log.logger.warn(
      'GATEWAY_CHAOS is set: every client of the admin listener can end threads',
    );
  }

  /**
   * Reads the configuration's source again and brings the configuration into force. Requests in
   * flight go on under the configuration that they began under. Never rejects: a configuration with
   * mistakes changes nothing, and the result names the mistakes.
   */
  reload(trigger: ReloadTrigger = 'program'): Promise<ReloadResult> {
    return this.reloader.reload(trigger);
  }

  /** Brings this configuration into force, like {@link reload}. */
  apply(config: GatewayConfig): Promise<ReloadResult> {
    return this.reloader.applyObject(config);
  }

  /** Brings the configuration before this one into force again. */
  rollback(): Promise<ReloadResult> {
    return this.reloader.rollback();
  }

  /**
   * Makes /readyz report that the gateway is not ready, goes on for `shutdown.delay`, then takes no
   * more connections, lets requests in flight finish for up to `shutdown.grace`, and ends. All this
   * time replies close their connections. Resolves with true when no request was cut off.
   */
  stop(): Promise<boolean> {
    this.stopping ??= this.drainAndEnd();
    return this.stopping;
  }

  private async drainAndEnd(): Promise<boolean> {
    this.state = 'draining';
    const { logger } = this.log;
    logger.info({ inFlight: this.dispatcher.table.inFlight }, 'gateway stopping');
    this.watcher?.stop();
    this.names.stop();
    this.acceptor.beginDrain();
    const { delayMs, graceMs } = this.config.shutdown;
    if (delayMs > 0) await sleep(delayMs);
    this.acceptor.stopListening();
    const isIdle = await this.dispatcher.table.whenEmpty(graceMs);
    if (!isIdle) {
      logger.warn({ inFlight: this.dispatcher.table.inFlight }, 'requests cut off at the deadline');
    }
    await this.end();
    return isIdle;
  }

  private async end(): Promise<void> {
    this.watcher?.stop();
    this.names.stop();
    this.acceptor.close();
    this.admin.close();
    this.meter.stop();
    await this.supervisor.stop();
    this.state = 'stopped';
    this.log.logger.info('gateway stopped');
    await this.log.end();
  }

  private tellPressureBy({ facts }: SharedSettings): void {
    this.dispatcher.isPressureTold = facts.hasPriorities;
  }

  private connectionRule(): ConnectionRule {
    const rule = connectionRule(this.config, openFilesMax());
    const { connectionsMax } = rule;
    if (connectionsMax < this.config.limits.connections) {
      const message = 'fewer connections than limits.connections: raise ulimit -n';
      this.log.logger.warn({ connectionsMax }, message);
    }
    return rule;
  }

  private warnOfAddress(network: string): void {
    const { connectionsPerAddress } = this.config.limits;
    this.log.logger.warn(
      { address: network, connectionsPerAddress },
      'a client address reached its limit of connections; a proxy belongs in trustedProxies',
    );
  }

  private giveUp(reason: string): void {
    this.log.logger.fatal({ reason }, 'gateway gives up');
    if (this.options.onGivingUp) this.options.onGivingUp(reason);
    else void this.stop();
  }

  private adminHandlers(): AdminHandler[] {
    const { supervisor } = this;
    const views = new GatewayViews({
      clock: systemClock,
      get config() {
        return supervisor.config;
      },
      counters: [this.counters, ...this.supervisor.counters],
      targets: this.supervisor.coordinator.memory.targets,
      loads: this.supervisor.coordinator.memory.loads,
      coordinatorStatus: this.supervisor.coordinator.memory.status,
      limitCounts: this.supervisor.coordinator.memory.limitCounts,
      concurrency: this.supervisor.coordinator.memory.concurrency,
      live: () => this.liveFigures(),
      configuration: () => this.reloader.status(),
    });
    return [
      statsHandler(new StatsReader(views)),
      metricsHandler(new MetricsReader(views), systemClock.nowMs),
      explainHandler(async (request) => (await this.explainer()).explain(request)),
      recentHandler(async () => (await this.explainer()).recent(views.refusals())),
      ...dashboardHandlers(),
      ...configHandlers({
        shown: () => ({ epoch: this.config.epoch, config: shownOf(this.reloader.current) }),
        reload: async () => outcomeOf(await this.reload('admin')),
        rollback: async () => outcomeOf(await this.rollback()),
      }),
      healthzHandler(),
      readyzHandler(() => (this.state === 'running' ? this.supervisor.readiness : this.state)),
      ...(this.isChaosAllowed ? faultHandlers(this.supervisor) : []),
    ];
  }

  /** Loaded at the first use: it brings much of the workers' code to this thread. */
  private async explainer(): Promise<LiveExplainer> {
    const { LiveExplainer } = await import('./explain/live-explainer.js');
    const { supervisor } = this;
    this.liveExplainer ??= new LiveExplainer({
      get config() {
        return supervisor.config;
      },
      memory: supervisor.coordinator.memory,
      hashKey: supervisor.hashKey,
      clock: systemClock,
    });
    return this.liveExplainer;
  }

  private get isChaosAllowed(): boolean {
    return this.options.isChaosAllowed ?? process.env['GATEWAY_CHAOS'] === '1';
  }

  private createReloader(first: KeptVersion): Reloader {
    const { supervisor } = this;
    return new Reloader({
      first,
      source: this.options.source,
      logger: this.log.logger,
      clock: systemClock,
      prepare: loadAside,
      beginVersion: () => supervisor.beginVersion(),
      swap: (shared) => supervisor.swap(shared),
      addresses: () => this.names.addresses,
      onApplied: (config) => this.adopt(config),
      closedReason: () => (this.state === 'running' ? '' : `the gateway is ${this.state}`),
      epochsInUse: () => supervisor.epochs,
    });
  }

  private createWatcher(): ConfigWatcher | null {
    const { source } = this.options;
    if (source === undefined) return null;
    return new ConfigWatcher(source, () => this.config.reload.watch && void this.reload('file'));
  }

  /** Applies the parts of the configuration that the main thread itself uses. */
  private adopt(config: SharedSettings): void {
    this.log.logger.level = config.logging.level;
    this.localReplies.adopt(createAccessLog(this.log, config.logging, systemRandom));
    this.acceptor.adopt(config, connectionRule(config, openFilesMax()));
    this.tellPressureBy(config);
    this.adminAccess.adopt(config.admin);
    this.names.adopt(config);
  }

  private liveFigures(): LiveFigures {
    const { lanes, coordinator } = this.supervisor;
    return {
      version: VERSION,
      startedMs: this.startedMs,
      inFlight: this.dispatcher.table.inFlight,
      threads: {
        acceptor: osThreadId(),
        workers: lanes.map((lane) => lane.osThreadId),
        coordinator: coordinator.osThreadId,
      },
      lanes: this.dispatcher.figures(),
      connections: this.acceptor.connectionFigures,
      movedRequests: this.dispatcher.movedRequests,
      workerDeaths: lanes.map((lane) => lane.deaths),
      coordinatorDeaths: coordinator.deaths,
      targetNames: this.names.status(),
    };
  }
}

/** For the log: what a container lets the process use; nothing outside of one. */
function containerOf({ machine: { cores, cpuQuota, memoryQuotaBytes } }: SharedSettings) {
  if (cpuQuota === null && memoryQuotaBytes === null) return {};
  return { container: { cores, cpuQuota, memoryBytes: memoryQuotaBytes } };
}

function outcomeOf(result: ReloadResult): ChangeOutcome {
  if (result.outcome === 'refused') return result;
  return { ...result, changes: result.changes.map(formatChange) };
}
