/**
 * Puts the parts together: threads first, then the listeners; the other way round at the end.
 *
 * Thread: supervisor (on the main thread). The only file that knows all parts.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Acceptor, type LocalReplyRecord } from './acceptor/acceptor.js';
import { LaneDispatcher } from './acceptor/lane-dispatcher.js';
import { loadNativeBinary } from './acceptor/native-binary.js';
import { AdminAccess } from './admin/admin-access.js';
import type { AdminHandler } from './admin/admin-handler.js';
import { AdminListener } from './admin/admin-listener.js';
import { type ChangeOutcome, configHandlers } from './admin/handlers/config-handlers.js';
import { healthzHandler, readyzHandler } from './admin/handlers/health-handlers.js';
import { statsHandler } from './admin/handlers/stats-handler.js';
import { type LiveFigures, StatsReader } from './admin/stats.js';
import { monotonicMs } from './base/clock.js';
import { RequestIdSource } from './base/request-id.js';
import { allocateCounters, CounterBlock } from './channel/counter-block.js';
import type { CompiledConfig } from './config/compiled-config.js';
import { type ConfigSource, type LoadedConfig, loadObject } from './config/config-source.js';
import { formatChange } from './config/diff-config.js';
import type { GatewayConfig } from './config/gateway-config.js';
import { maskSecrets } from './config/mask-secrets.js';
import { readVersion } from './config/version.js';
import { type AccessLog, createAccessLog } from './observability/access-log.js';
import { COUNTERS, counterCount } from './observability/counters.js';
import { createThreadLogger, type ThreadLogger } from './observability/logger.js';
import { osThreadId } from './observability/os-thread-id.js';
import { ConfigWatcher } from './supervisor/config-watcher.js';
import { Reloader, type ReloadResult, type ReloadTrigger } from './supervisor/reloader.js';
import { Supervisor } from './supervisor/supervisor.js';

/** The version of this package. */
export const VERSION = readVersion();

type GatewayState = 'new' | 'starting' | 'running' | 'draining' | 'stopped';

export interface GatewayOptions {
  /** Threads die too often. Default: the gateway logs it and stops. */
  onGivingUp?(reason: string): void;
  /** Where the configuration is read again from. Default: nowhere, see {@link Gateway.apply}. */
  readonly source?: ConfigSource;
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
  private accessLog: AccessLog;
  private readonly counters: SharedArrayBuffer;
  private readonly startedMs = monotonicMs();
  private state: GatewayState = 'new';
  private port = 0;
  private adminPort = 0;
  private stopping: Promise<boolean> | null = null;

  /** @throws NativeBinaryError when uWebSockets.js does not load here. */
  constructor(
    first: LoadedConfig,
    private readonly options: GatewayOptions = {},
  ) {
    const config = first.compiled;
    const uws = loadNativeBinary();
    this.log = createThreadLogger('acceptor', config.logging.level);
    const { logger, access } = this.log;
    const onError = (error: unknown): void => logger.error({ err: error }, 'internal error');
    this.counters = allocateCounters(counterCount(config.capacity));
    this.dispatcher = new LaneDispatcher(config.workers, config.limits.inFlight, onError);
    this.supervisor = new Supervisor({
      config,
      dispatcher: this.dispatcher,
      logger,
      onGivingUp: (reason) => this.giveUp(reason),
    });
    this.accessLog = createAccessLog(access, config.logging.accessLog);
    const counters = new CounterBlock(this.counters);
    this.acceptor = new Acceptor({
      uws,
      config,
      dispatcher: this.dispatcher,
      requestIds: new RequestIdSource(randomBytes(6).toString('hex')),
      onLocalReply: (record) => {
        countLocalReply(counters, record);
        this.accessLog(accessRecord(record));
      },
      onError,
    });
    this.reloader = this.createReloader(first);
    this.watcher = this.createWatcher();
    this.adminAccess = new AdminAccess(config.admin);
    this.admin = new AdminListener(uws, this.adminHandlers(), this.adminAccess, onError);
  }

  /** In force at the moment. */
  get config(): CompiledConfig {
    return this.supervisor.config;
  }

  /** Where clients connect. Known once started. */
  get address(): { readonly host: string; readonly port: number } {
    return { host: this.config.listen.host, port: this.port };
  }

  get adminAddress(): { readonly host: string; readonly port: number } {
    return { host: this.config.admin.host, port: this.adminPort };
  }

  /** Resolves when requests are taken. Rejects when an address is in use or a thread fails. */
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
    this.log.logger.info(
      {
        version: VERSION,
        ...this.address,
        admin: this.adminAddress,
        workers: this.config.workers,
        routes: this.config.routes.length,
        upstreams: this.config.upstreams.length,
        pid: process.pid,
      },
      'gateway started',
    );
  }

  /**
   * Reads the configuration's source again and brings it into force, while requests go on: those in
   * flight finish under the configuration that they began under. Never rejects: what is wrong is in
   * the result, and has changed nothing.
   */
  reload(trigger: ReloadTrigger = 'program'): Promise<ReloadResult> {
    return this.reloader.reload(trigger);
  }

  /** Brings this configuration into force, like {@link reload}. */
  apply(config: GatewayConfig): Promise<ReloadResult> {
    return this.reloader.applyFrom(() => loadObject(config));
  }

  /** Brings the configuration before this one into force again. */
  rollback(): Promise<ReloadResult> {
    return this.reloader.rollback();
  }

  /**
   * Says on /readyz that it is not ready, goes on for `shutdown.delay`, takes no more connections,
   * lets requests in flight finish for up to `shutdown.grace`, ends. Replies close their
   * connections all the while. Resolves with true when no request was cut off.
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
    this.acceptor.close();
    this.admin.close();
    await this.supervisor.stop();
    this.state = 'stopped';
    this.log.logger.info('gateway stopped');
    this.log.flush();
  }

  private giveUp(reason: string): void {
    this.log.logger.fatal({ reason }, 'gateway gives up');
    this.log.flush();
    if (this.options.onGivingUp) this.options.onGivingUp(reason);
    else void this.stop();
  }

  private adminHandlers(): AdminHandler[] {
    const { supervisor } = this;
    const stats = new StatsReader({
      get config() {
        return supervisor.config;
      },
      counters: [this.counters, ...this.supervisor.counters],
      targets: this.supervisor.coordinator.memory.targets,
      loads: this.supervisor.coordinator.memory.loads,
      coordinatorStatus: this.supervisor.coordinator.memory.status,
      limitCounts: this.supervisor.coordinator.memory.limitCounts,
      live: () => this.liveFigures(),
      configuration: () => this.reloader.status(),
    });
    return [
      statsHandler(stats),
      ...configHandlers({
        shown: () => ({
          epoch: this.config.epoch,
          config: maskSecrets(this.reloader.current.written),
        }),
        reload: async () => outcomeOf(await this.reload('admin')),
        rollback: async () => outcomeOf(await this.rollback()),
      }),
      healthzHandler(),
      readyzHandler(() => (this.state === 'running' ? this.supervisor.readiness : this.state)),
    ];
  }

  private createReloader(first: LoadedConfig): Reloader {
    const { supervisor } = this;
    return new Reloader({
      first,
      source: this.options.source,
      logger: this.log.logger,
      swap: (compiled) => supervisor.swap(compiled),
      onApplied: (config) => this.use(config),
      closedReason: () => (this.state === 'running' ? '' : `the gateway is ${this.state}`),
      epochsInUse: () => supervisor.epochs,
    });
  }

  private createWatcher(): ConfigWatcher | null {
    const { source } = this.options;
    return source === undefined ? null : new ConfigWatcher(source, () => this.onFileChanged());
  }

  private onFileChanged(): void {
    if (this.config.reload.watch) void this.reload('file');
  }

  /** What the main thread does by the configuration. */
  private use(config: CompiledConfig): void {
    this.log.logger.level = config.logging.level;
    this.accessLog = createAccessLog(this.log.access, config.logging.accessLog);
    this.acceptor.use(config);
    this.adminAccess.use(config.admin);
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
      lanes: this.dispatcher.figures().map((lane, index) => ({
        lane: index,
        served: lane.isServed,
        in_flight: lane.inFlight,
        stale_records: lane.staleRecords,
        backlog_bytes: lane.backlogBytes,
      })),
      workerDeaths: lanes.map((lane) => lane.deaths),
      coordinatorDeaths: coordinator.deaths,
    };
  }
}

function countLocalReply(counters: CounterBlock, record: LocalReplyRecord): void {
  const { kind } = record;
  const isOurs = kind.status >= 500;
  counters.add(COUNTERS.requests);
  counters.add(isOurs ? COUNTERS.status5xx : COUNTERS.status4xx);
  if (isOurs) counters.add(COUNTERS.errors);
  counters.add(kind.status === 503 ? COUNTERS.shed : COUNTERS.refused);
}

function accessRecord(record: LocalReplyRecord): Parameters<ReturnType<typeof createAccessLog>>[0] {
  return {
    requestId: record.requestId,
    clientIp: record.peer,
    consumer: '',
    method: record.method,
    target: record.target,
    route: '',
    upstreamTarget: '',
    tries: 0,
    status: record.kind.status,
    bytes: 0,
    durationMs: record.durationMs,
    code: record.kind.code,
  };
}

function outcomeOf(result: ReloadResult): ChangeOutcome {
  if (result.outcome === 'refused') return result;
  return { ...result, changes: result.changes.map(formatChange) };
}
