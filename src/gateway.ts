/**
 * Puts the gateway together: threads first, then the listeners; in the other order at the end.
 *
 * Thread: supervisor (on the main thread). The entry of a gateway: clock, chance and threads are
 * made here and handed down.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AcceptorFront } from './acceptor/acceptor-front.js';
import { GatewayFront } from './acceptor/gateway-front.js';
import { AdminAccess } from './admin/admin-access.js';
import type { AdminHandler } from './admin/admin-handler.js';
import { AdminListener } from './admin/admin-listener.js';
import { systemClock, systemRandom } from './base/clock.js';
import { hostPort } from './base/listener-address.js';
import { StartupError } from './base/startup-error.js';
import type { ListenerFigures } from './channel/acceptor/acceptor-figures.js';
import { CoordinatorStatus } from './channel/coordinator/coordinator-status.js';
import { TargetLoadView } from './channel/coordinator/target-loads.js';
import { allocateCounters } from './channel/counter-block.js';
import { recordBytesOf } from './channel/record-ring.js';
import type { GatewayConfig } from './config/gateway-config.js';
import type { ServedConfig, SharedConfig, SharedSettings } from './config/shared/shared-config.js';
import type { ConfigSource } from './config/source/config-source.js';
import type { LoadedConfig } from './config/source/load-file.js';
import { GatewayAdmin } from './gateway-admin.js';
import { counterCount } from './observability/counters.js';
import type { ReloadTrigger } from './observability/gateway-status.js';
import { openFilesMax } from './observability/kernel-facts.js';
import { createThreadLogger, type ThreadLogger } from './observability/logger.js';
import { AcceptorCells } from './supervisor/acceptor-cells.js';
import { checkAcceptors, mayRunInThreads } from './supervisor/acceptor-place.js';
import { ListenerCertificates } from './supervisor/certificates/listener-certificates.js';
import type { LoadedPair } from './supervisor/certificates/listener-files.js';
import type { Canary } from './supervisor/config-trial.js';
import { ConfigWarnings } from './supervisor/config-warnings.js';
import { ConfigWatcher } from './supervisor/config-watcher.js';
import { Discovery } from './supervisor/discovery/discovery.js';
import { FirstAnswers } from './supervisor/discovery/first-answers.js';
import { SourceMaker } from './supervisor/discovery/make-source.js';
import { chooseEngines, type EngineChoice } from './supervisor/engine-choice.js';
import { tellHolder } from './supervisor/held-address.js';
import { type KeptVersion, keepVersion } from './supervisor/loading/kept-version.js';
import { loadAside } from './supervisor/loading/load-aside.js';
import { NameWatcher } from './supervisor/name-watcher.js';
import { readVersion } from './supervisor/package-version.js';
import type { GivenPlugins } from './supervisor/program-plugins/given-plugins.js';
import { keepRefused } from './supervisor/refused-version.js';
import { Reloader, type ReloadResult } from './supervisor/reloader.js';
import { ServiceNotices } from './supervisor/service-notices.js';
import { Workload } from './supervisor/spiffe/workload.js';
import { Supervisor } from './supervisor/supervisor.js';
import { systemdNotify } from './supervisor/systemd-notify.js';
import { type LaneThreads, systemThreads } from './supervisor/threads.js';
import { type NameLookup, systemLookup } from './supervisor/watched-name.js';
import { createWorkerPool } from './supervisor/worker-pool.js';

/** How long a gateway that starts waits for the first answers of what names its targets. */
const FIRST_TARGETS_MS = 5000;

/** RFC 6455 7.4.1: an endpoint goes away. */
const GOING_AWAY = 1001;
/** How long sockets may take to end; a worker waits a little less for their ends. */
const TUNNEL_END_MS = 4000;

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

export interface GatewayParts {
  /** Threads that have begun to load their code. Default: threads that begin now. */
  readonly lanes?: LaneThreads;
  /**
   * Whether the gateway is all of its process, and so tells systemd how that stands. Default:
   * false.
   */
  readonly isService?: boolean;
  /** Plugins that the program has given. Default: none. */
  readonly given?: Pick<GivenPlugins, 'find'> | undefined;
}

/**
 * Makes a gateway, with engines that this machine and the configuration allow.
 *
 * @throws StartupError when it cannot run on this machine; the threads have ended then.
 */
export async function makeGateway(
  first: LoadedConfig,
  options: GatewayOptions,
  { lanes = createWorkerPool(first.compiled), isService = false, given }: GatewayParts = {},
): Promise<Gateway> {
  try {
    const engines = chooseEngines(first.compiled);
    return new Gateway(first, options, { lanes, engines, isService, given });
  } catch (error) {
    await lanes.close();
    throw error;
  }
}

export class Gateway {
  readonly supervisor: Supervisor;
  private readonly front: AcceptorFront;
  /** null: the acceptor is on this thread. */
  private readonly cells: AcceptorCells | null;
  private readonly engines: EngineChoice;
  private readonly adminAccess: AdminAccess;
  private readonly admin: AdminListener;
  private readonly log: ThreadLogger;
  private readonly reloader: Reloader;
  private readonly warnings: ConfigWarnings;
  private readonly watcher: ConfigWatcher | null;
  private readonly names: NameWatcher;
  private readonly discovery: Discovery;
  private readonly certificates: ListenerCertificates;
  private readonly workload: Workload;
  private readonly service: ServiceNotices;
  private state: GatewayState = 'new';
  private adminPort = 0;
  private stopping: Promise<boolean> | null = null;

  constructor(
    first: LoadedConfig,
    private readonly options: GatewayOptions,
    { lanes, engines, isService, given }: Required<GatewayParts> & { engines: EngineChoice },
  ) {
    const kept = keepVersion(first);
    const { settings: config } = kept.compiled;
    if (config.kubernetes !== null && options.source?.cluster === undefined) {
      throw new StartupError('kubernetes needs a gateway that runs by: sluice run -c FILE');
    }
    const clock = systemClock;
    const isThreaded = mayRunInThreads(config.listeners, (one) => engines.engineOf(one));
    checkAcceptors(config, isThreaded);
    this.log = createThreadLogger(isThreaded ? 'main' : 'acceptor', config.logging, clock);
    const { logger } = this.log;
    this.engines = engines;
    const random = systemRandom;
    const threads = systemThreads(lanes);
    this.cells = isThreaded
      ? new AcceptorCells({ first: kept.compiled, clock, threads, logger })
      : null;
    this.front =
      this.cells ??
      new GatewayFront({
        ...{ config, clock, random, log: this.log, engines },
        ...{ laneCount: config.workers, filesMax: openFilesMax() },
        counters: allocateCounters(counterCount(config.capacity), recordBytesOf(config)),
        servedConfig: () => this.supervisor.config,
      });
    this.supervisor = new Supervisor({
      ...{ first: kept.compiled, front: this.front, clock, random, threads, logger },
      findPlugin: (file) => given?.find(file),
      onGivingUp: (reason) => this.giveUp(reason),
    });
    this.certificates = new ListenerCertificates({
      ...{ clock, random, logger },
      tell: (notice) => this.front.tell(notice),
    });
    const users = [this.supervisor, this.certificates];
    this.workload = new Workload({ clock, random, logger, environment: process.env, users });
    this.service = new ServiceNotices({
      ...{ clock, logger, pid: process.pid, send: systemdNotify },
      environment: isService ? process.env : {},
      isAlive: () => this.supervisor.readiness === 'ready',
    });
    this.warnings = new ConfigWarnings(logger);
    this.warnings.tell(config);
    this.reloader = this.createReloader(kept);
    this.watcher = this.createWatcher();
    this.names = new NameWatcher({
      lookup: options.lookup ?? systemLookup,
      logger,
      clock,
      apply: () => this.reloader.useAddresses(),
    });
    this.discovery = this.createDiscovery();
    this.adminAccess = new AdminAccess(config.admin);
    this.admin = new AdminListener(this.adminPages(), this.adminAccess, (error) =>
      this.onError(error),
    );
  }

  /** The configuration in force. */
  get config(): ServedConfig {
    return this.supervisor.config;
  }

  /**
   * The address of the first listener; of a Unix socket its path, and port 0. Known once the
   * gateway has started.
   */
  get address(): { readonly host: string; readonly port: number } {
    return addressOf(this.front.listenerFigures()[0]);
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
      await this.certificates.adopt(this.config);
      const identity = this.workload.adopt(this.config);
      this.discovery.adopt(this.config);
      await Promise.all([identity, this.discovery.settled(FIRST_TARGETS_MS)]);
      this.adminPort = await this.admin.listen(this.config.admin);
      await this.front.startListeners(this.config.listeners);
    } catch (error) {
      await this.end();
      throw error;
    }
    this.state = 'running';
    this.service.started();
    this.tellOfEngines();
    this.watcher?.start();
    this.names.adopt(this.config);
    this.log.logger.info(
      {
        version: VERSION,
        ...this.address,
        listeners: this.front.listenerFigures().map(listenerInWords),
        admin: this.adminAddress,
        acceptors: this.front.acceptorFigures().length,
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

  /** A reload is being made, or waits for its turn. */
  get isReloading(): boolean {
    return this.reloader.isBusy;
  }

  /** Writes a line to the log, for whoever follows a store of configurations. */
  readonly note = (
    level: 'info' | 'warn' | 'error',
    fields: Readonly<Record<string, unknown>>,
    message: string,
  ): void => {
    if (this.state !== 'stopped') this.log.logger[level](fields, message);
  };

  /** Certificates that every listener with TLS shows beside its own, from now on. */
  useCertificates(pairs: readonly LoadedPair[]): void {
    this.certificates.useShared(pairs);
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
    this.service.stopping();
    const { logger } = this.log;
    logger.info({ inFlight: this.front.inFlight }, 'gateway stopping');
    this.watcher?.stop();
    this.supervisor.trial?.abort('the gateway stops');
    this.names.stop();
    this.discovery.stop();
    this.front.beginDrain();
    const { delayMs, graceMs } = this.config.shutdown;
    if (delayMs > 0) await sleep(delayMs);
    this.front.stopListening();
    let isIdle = await this.front.whenEmpty(graceMs);
    // Clients of sockets are told, and connect elsewhere.
    if (!isIdle && this.supervisor.closeTunnels(GOING_AWAY, 'the gateway stops')) {
      isIdle = await this.front.whenEmpty(TUNNEL_END_MS);
    }
    if (!isIdle) {
      logger.warn({ inFlight: this.front.inFlight }, 'requests cut off at the deadline');
    }
    await this.end();
    return isIdle;
  }

  private async end(): Promise<void> {
    this.watcher?.stop();
    this.names.stop();
    this.discovery.stop();
    this.workload.stop();
    this.certificates.stop();
    await this.front.close();
    this.admin.close();
    await this.supervisor.stop();
    await this.service.written();
    this.state = 'stopped';
    this.log.logger.info('gateway stopped');
    await this.log.end();
  }

  /** Which engine speaks with clients, and why. */
  private tellOfEngines(): void {
    const { reason } = this.engines;
    const { logger } = this.log;
    const engines = new Set(this.front.listenerFigures().map(({ engine }) => engine));
    logger.info({ engine: [...engines].sort().join(' and '), reason }, 'engine chosen');
    if (engines.has('uws')) this.tellOfFlaws().catch((error: unknown) => this.onError(error));
  }

  private async tellOfFlaws(): Promise<void> {
    const flaws = await this.engines.flaws(systemClock);
    if (flaws.length === 0 || this.state === 'stopped') return;
    const message = 'the parser of the engine uws gets requests wrong, which wire does not';
    this.log.logger.warn({ flaws }, message);
  }

  private onError(error: unknown): void {
    this.log.logger.error({ err: error }, 'internal error');
  }

  private giveUp(reason: string): void {
    this.log.logger.fatal({ reason }, 'gateway gives up');
    if (this.options.onGivingUp) this.options.onGivingUp(reason);
    else void this.stop();
  }

  private adminPages(): AdminHandler[] {
    const { supervisor, engines, front, cells, reloader, names, discovery } = this;
    const { certificates, workload, isChaosAllowed } = this;
    const parts = { supervisor, engines, front, cells, reloader, names, discovery, certificates };
    const answers = new FirstAnswers(systemClock, () => discovery.unanswered);
    const readiness = (): string => {
      if (this.state !== 'running') return this.state;
      if (reloader.status().cluster?.state === 'waiting') return 'waiting for the cluster';
      return answers.areAwaited ? 'waiting for targets' : workload.readinessOf(supervisor);
    };
    return new GatewayAdmin({
      ...{ version: VERSION, clock: systemClock, isChaosAllowed, workload, readiness },
      ...parts,
    }).handlers();
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
      swap: (shared, canary) => this.swap(shared, canary),
      trial: () => supervisor.trial,
      onTakenBack: (version) => keepRefused(this.config.stateDir, version, this.log.logger),
      addresses: () => this.names.addresses,
      onBegun: () => this.service.reloading(),
      onEnded: () => this.service.reloaded(),
      onApplied: (config) => this.adopt(config),
      closedReason: () => (this.state === 'running' ? '' : `the gateway is ${this.state}`),
      epochsInUse: () => supervisor.epochs,
    });
  }

  private createDiscovery(): Discovery {
    const { supervisor } = this;
    const { memory } = supervisor.coordinator;
    const status = new CoordinatorStatus(memory.status);
    const loads = new TargetLoadView(memory.loads, this.config.capacity.targets, status);
    const sources = new SourceMaker(systemClock, systemRandom);
    return new Discovery({
      slots: memory.slots,
      logger: this.log.logger,
      clock: systemClock,
      makeSource: ({ source }, listener) => sources.make(source, listener),
      inFlightOf: (row) => loads.inFlightOf(row),
      onChange: (hasLeft) => supervisor.onTargetsFound(hasLeft),
      onFreed: (rows) => supervisor.onTargetsGone(rows),
    });
  }

  /**
   * What cannot be bound refuses the whole configuration, so that is tried first. Until it is
   * certain that the configuration is taken, clients see the certificates of the one in force, its
   * upstreams have the targets that its own sources name, and it has the identity of its own agent.
   */
  private async swap(shared: SharedConfig, canary: Canary | null): Promise<ServedConfig> {
    const { front, config } = this;
    try {
      const { listeners } = shared.settings;
      await front.prepareListeners(listeners).catch((error: unknown) => {
        throw tellHolder(error, listeners, front.listenerFigures());
      });
      // Upstreams that are new begin with the targets that their sources name.
      this.supervisor.freeNewSlots(shared.settings);
      this.discovery.addNew(shared.settings);
      const identity = this.workload.addNew(shared.settings);
      await Promise.all([identity, this.discovery.settled(FIRST_TARGETS_MS)]);
      return await this.supervisor.swap(shared, canary, () =>
        this.certificates.adopt(shared.settings),
      );
    } catch (error) {
      front.discardListeners();
      this.discovery.adopt(config);
      void this.workload.adopt(config);
      throw error;
    }
  }

  private createWatcher(): ConfigWatcher | null {
    const { source } = this.options;
    if (source === undefined) return null;
    return new ConfigWatcher(source, () => this.config.reload.watch && void this.reload('file'));
  }

  /** Applies the parts of the configuration that the main thread itself uses. */
  private adopt(config: SharedSettings): void {
    this.log.logger.level = config.logging.level;
    this.warnings.tell(config);
    this.adminAccess.adopt(config.admin);
    this.names.adopt(config);
    this.discovery.adopt(config);
    void this.workload.adopt(config);
  }
}

/** For the log: what a container lets the process use; nothing outside of one. */
function containerOf({ machine: { cores, cpuQuota, memoryQuotaBytes } }: SharedSettings) {
  if (cpuQuota === null && memoryQuotaBytes === null) return {};
  return { container: { cores, cpuQuota, memoryBytes: memoryQuotaBytes } };
}

function addressOf(listener: ListenerFigures | undefined): {
  readonly host: string;
  readonly port: number;
} {
  if (listener === undefined) return { host: '', port: 0 };
  return { host: listener.host, port: listener.port };
}

/** For the log. */
function listenerInWords({ name, host, port, engine }: ListenerFigures) {
  return { name, address: port === 0 ? host : hostPort(host, port), engine };
}
