/**
 * Puts the parts together: threads first, then the listeners; the other way round at the end.
 *
 * Thread: supervisor (on the main thread). The only file that knows all parts.
 */
import { randomBytes } from 'node:crypto';
import { Acceptor, type LocalReplyRecord } from './acceptor/acceptor.js';
import { LaneDispatcher } from './acceptor/lane-dispatcher.js';
import { loadNativeBinary } from './acceptor/native-binary.js';
import { AdminListener, type AdminPages } from './admin/admin-listener.js';
import { type LiveFigures, StatsReader } from './admin/stats.js';
import { monotonicMs } from './base/clock.js';
import { RequestIdSource } from './base/request-id.js';
import { allocateCounters, CounterBlock } from './channel/counter-block.js';
import type { CompiledConfig } from './config/compiled-config.js';
import { readVersion } from './config/version.js';
import { createAccessLog } from './observability/access-log.js';
import { COUNTERS, counterCount } from './observability/counters.js';
import { createThreadLogger, type ThreadLogger } from './observability/logger.js';
import { osThreadId } from './observability/os-thread-id.js';
import { Supervisor } from './supervisor/supervisor.js';

/** The version of this package. */
export const VERSION = readVersion();

type GatewayState = 'new' | 'starting' | 'running' | 'draining' | 'stopped';

export interface GatewayOptions {
  /** Threads die too often. Default: the gateway logs it and stops. */
  onGivingUp?(reason: string): void;
}

export class Gateway {
  readonly supervisor: Supervisor;
  private readonly dispatcher: LaneDispatcher;
  private readonly acceptor: Acceptor;
  private readonly admin: AdminListener;
  private readonly log: ThreadLogger;
  private readonly counters: SharedArrayBuffer;
  private readonly startedMs = monotonicMs();
  private state: GatewayState = 'new';
  private port = 0;
  private adminPort = 0;
  private stopping: Promise<boolean> | null = null;

  /** @throws NativeBinaryError when uWebSockets.js does not load here. */
  constructor(
    readonly config: CompiledConfig,
    private readonly options: GatewayOptions = {},
  ) {
    const uws = loadNativeBinary();
    this.log = createThreadLogger('acceptor', config.logging.level);
    const { logger, access } = this.log;
    const onError = (error: unknown): void => logger.error({ err: error }, 'internal error');
    this.counters = allocateCounters(counterCount(config));
    this.dispatcher = new LaneDispatcher(config.workers, config.limits.inFlight, onError);
    this.supervisor = new Supervisor({
      config,
      dispatcher: this.dispatcher,
      logger,
      onGivingUp: (reason) => this.giveUp(reason),
    });
    const accessLog = createAccessLog(access, config.logging.accessLog);
    const counters = new CounterBlock(this.counters);
    this.acceptor = new Acceptor({
      uws,
      config,
      dispatcher: this.dispatcher,
      requestIds: new RequestIdSource(randomBytes(6).toString('hex')),
      onLocalReply: (record) => {
        countLocalReply(counters, record);
        accessLog(accessRecord(record));
      },
      onError,
    });
    this.admin = new AdminListener(uws, this.adminPages(), onError);
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
   * Takes no more connections, lets requests in flight finish for up to `shutdown.grace`, ends.
   * Resolves with true when none was cut off.
   */
  stop(): Promise<boolean> {
    this.stopping ??= this.drainAndEnd();
    return this.stopping;
  }

  private async drainAndEnd(): Promise<boolean> {
    this.state = 'draining';
    const { logger } = this.log;
    logger.info({ inFlight: this.dispatcher.table.inFlight }, 'gateway stopping');
    this.acceptor.stopListening();
    const isIdle = await this.dispatcher.table.whenEmpty(this.config.shutdownGraceMs);
    if (!isIdle) {
      logger.warn({ inFlight: this.dispatcher.table.inFlight }, 'requests cut off at the deadline');
    }
    await this.end();
    return isIdle;
  }

  private async end(): Promise<void> {
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

  private adminPages(): AdminPages {
    const stats = new StatsReader({
      config: this.config,
      counters: [this.counters, ...this.supervisor.counters],
      targets: this.supervisor.coordinator.memory.targets,
      loads: this.supervisor.coordinator.memory.loads,
      coordinatorStatus: this.supervisor.coordinator.memory.status,
      limitCounts: this.supervisor.coordinator.memory.limitCounts,
      live: () => this.liveFigures(),
    });
    return new Map([
      ['/stats', () => ({ status: '200 OK', body: stats.read() })],
      ['/healthz', () => ({ status: '200 OK', body: { status: 'ok' } })],
      [
        '/readyz',
        () => {
          const status = this.state === 'running' ? this.supervisor.readiness : this.state;
          const isReady = status === 'ready';
          return { status: isReady ? '200 OK' : '503 Service Unavailable', body: { status } };
        },
      ],
    ]);
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
