/**
 * Keeps one lane served: gives it a worker, notices its death, and gives it another.
 *
 * Thread: supervisor. Owns the lane's memory and its ports. Each incarnation has fresh memory, so
 * that nothing which a dead worker left half done can be read by the next.
 */
import type { Logger } from 'pino';
import type { LaneDispatcher } from '../acceptor/lane-dispatcher.js';
import type { Clock, Timer } from '../base/clock.js';
import type { CoordinatorControl } from '../channel/coordinator/coordinator-control.js';
import { type CoordinatorMemory, laneMemoryOf } from '../channel/coordinator/coordinator-memory.js';
import type { CoordinatorMail } from '../channel/coordinator/coordinator-messages.js';
import type { IdentityNotice, IdentityRequest } from '../channel/identity-messages.js';
import { allocateLane, type LaneMemory, laneStatusOf, type WorkerFault } from '../channel/lane.js';
import type { Port } from '../channel/port.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { cpuWaitMs } from '../observability/kernel-facts.js';
import { DOORBELL, type LaneOrder, type LaneReport, type LaneTask } from '../worker/lane-task.js';
import { AwaitedAnswer } from './awaited-answer.js';
import { HeartbeatMonitor, type HeartbeatRule } from './heartbeat-monitor.js';
import type { Threads } from './threads.js';

/** A worker beats every 200 ms; found within 2 s, and a long piece of work is not taken for it. */
const HEARTBEAT: HeartbeatRule = { intervalMs: 250, silentLooksMax: 6 };

/** A thread that is stuck outside of JavaScript may not end when it is told to. */
const END_MS_MAX = 1000;

export interface LaneSupervisorOptions {
  readonly lane: number;
  readonly config: CompiledConfig;
  readonly clock: Clock;
  readonly threads: Threads;
  readonly dispatcher: LaneDispatcher;
  readonly memory: CoordinatorMemory;
  readonly control: CoordinatorControl;
  readonly counters: SharedArrayBuffer;
  readonly hashKey: readonly [number, number];
  readonly logger: Logger;
  /** What a worker is to know about keys when it starts. */
  identityNotices(): readonly IdentityNotice[];
  /** A worker asks about keys. */
  onIdentityRequest(lane: number, request: IdentityRequest): void;
  /** Hands the coordinator's thread its end of a wake port. */
  postToCoordinator(mail: CoordinatorMail, port: Port): void;
  /** The lane's worker died. False: it died too often, and the gateway gives up. */
  mayRestart(): boolean;
  /** The lane has its next worker. */
  onServedAgain(): void;
}

export class LaneSupervisor {
  /** Versions of the configuration that the worker may act upon. */
  readonly heldEpochs = new Set<number>();
  /** Workers that have died on this lane. */
  deaths = 0;
  osThreadId = 0;
  /** Node's id of the thread that serves the lane, or -1. */
  threadId = -1;

  private config: CompiledConfig;
  private preparedEpoch = 0;
  private readonly answer: AwaitedAnswer;
  private port: Port<LaneReport, LaneOrder> | null = null;
  private watcher: Timer | null = null;
  private isStopping = false;
  private served: Promise<void> = Promise.resolve();

  constructor(private readonly options: LaneSupervisorOptions) {
    this.config = options.config;
    this.answer = new AwaitedAnswer(`the worker of lane ${options.lane}`, options.clock);
  }

  /** Starts a worker; resolves when it serves the lane. */
  start(): Promise<void> {
    const { lane, threads, dispatcher, memory, counters, hashKey } = this.options;
    const { config } = this;
    const laneMemory = allocateLane();
    const { port1: port, port2: workerPort } = threads.newChannel<LaneOrder, LaneReport>();
    const wakePort = this.connectToCoordinator();
    const task: LaneTask = {
      lane,
      config,
      memory: laneMemory,
      port: workerPort,
      coordinator: laneMemoryOf(memory, lane),
      wakePort,
      counters,
      hashKey,
      notices: this.options.identityNotices(),
    };
    this.port = port;
    this.heldEpochs.add(config.epoch);
    return new Promise((resolve, reject) => {
      port.on('message', (report: LaneReport) => {
        if (report === DOORBELL) {
          dispatcher.onDoorbell();
          return;
        }
        if (report.type === 'identity') {
          this.options.onIdentityRequest(lane, report.request);
          return;
        }
        if (report.type !== 'ready') {
          this.onReport(report);
          return;
        }
        this.osThreadId = report.osThreadId;
        this.threadId = report.threadId;
        dispatcher.attach(lane, laneMemory, port);
        this.watch(laneMemory);
        // Another version may have come into force while the thread started.
        if (this.config !== config) this.send({ type: 'prepare', config: this.config });
        resolve();
      });
      this.served = threads.lanes.serve(task).then(
        () => this.onEnded(new Error('the worker stopped serving its lane'), reject),
        (error: unknown) => this.onEnded(error, reject),
      );
    });
  }

  private watch(memory: LaneMemory): void {
    const status = laneStatusOf(memory);
    const heartbeat = new HeartbeatMonitor(HEARTBEAT, {
      beats: () => status.beats(),
      waitedMs: () => cpuWaitMs(this.osThreadId),
    });
    const { clock } = this.options;
    this.watcher = clock.every(HEARTBEAT.intervalMs, () => {
      if (heartbeat.look(clock.nowMs())) this.onHang();
    });
  }

  private unwatch(): void {
    this.watcher?.cancel();
    this.watcher = null;
  }

  /** Its requests move on when its thread has surely ended: until then it may still run them. */
  private onHang(): void {
    const { lane, clock, dispatcher, logger } = this.options;
    this.unwatch();
    logger.error({ lane }, 'worker hangs');
    dispatcher.suspend(lane);
    void this.kill();
    const { threadId } = this;
    clock.after(END_MS_MAX, () => {
      if (this.threadId !== threadId) return;
      logger.error({ lane }, 'worker does not end, its requests are given up');
      dispatcher.abandon(lane);
    });
  }

  /** Makes the worker fail, for tests. False: the lane has none now. */
  injectFault(fault: WorkerFault): boolean {
    if (this.port === null || this.threadId === -1) return false;
    const order: LaneOrder = { type: 'fault', fault };
    this.port.postMessage(order);
    return true;
  }

  /**
   * The worker compiles the configuration aside. Rejects with its reason when it cannot; a worker
   * that is not there, or dies, is no reason: the next one begins with what is in force then.
   */
  async prepare(config: CompiledConfig): Promise<void> {
    if (this.threadId === -1) return;
    this.send({ type: 'prepare', config });
    await this.answer.wait(`prepared ${config.epoch}`);
  }

  /** What was prepared everywhere comes into force; resolves when the worker acts upon it. */
  async commit(config: CompiledConfig): Promise<void> {
    this.config = config;
    if (this.threadId === -1) return;
    this.heldEpochs.add(config.epoch);
    if (this.preparedEpoch === config.epoch) this.send({ type: 'commit', epoch: config.epoch });
    // Another worker than the one that had prepared: it begins with this.
    else this.send({ type: 'prepare', config });
    await this.answer.wait(`committed ${config.epoch}`);
  }

  private send(order: LaneOrder): void {
    this.port?.postMessage(order);
  }

  private onReport(
    report: Exclude<LaneReport, typeof DOORBELL | { type: 'ready' | 'identity' }>,
  ): void {
    const { epoch } = report;
    switch (report.type) {
      case 'prepared':
        this.preparedEpoch = epoch;
        if (this.answer.give(`prepared ${epoch}`) || epoch !== this.config.epoch) break;
        this.heldEpochs.add(epoch);
        this.send({ type: 'commit', epoch });
        break;
      case 'unprepared':
        if (!this.answer.fail(new Error(report.reason))) this.replaceOutdated(report.reason);
        break;
      case 'committed':
        this.answer.give(`committed ${epoch}`);
        break;
      default:
        this.heldEpochs.delete(epoch);
    }
  }

  /** It cannot take what the others have: a worker under an old version must not go on. */
  private replaceOutdated(reason: string): void {
    const { lane, logger } = this.options;
    logger.error({ lane, reason }, 'worker could not take the configuration');
    this.kill().catch((error: unknown) => logger.error({ err: error, lane }, 'worker not ended'));
  }

  /** A new coordinator thread has no ports: it gets one, and the worker the other end. */
  onCoordinatorRestarted(): void {
    if (this.port === null) return;
    const wakePort = this.connectToCoordinator();
    const order: LaneOrder = { type: 'wakePort', port: wakePort };
    this.port.postMessage(order, [wakePort]);
  }

  /**
   * Tells the worker about keys or tokens; one that starts later has it from identityNotices().
   * False: there is none now.
   */
  tellIdentity(notice: IdentityNotice): boolean {
    const order: LaneOrder = { type: 'identity', notice };
    this.port?.postMessage(order);
    return this.port !== null;
  }

  private connectToCoordinator(): Port {
    const { port1, port2 } = this.options.threads.newChannel<unknown, unknown>();
    this.options.postToCoordinator(
      { type: 'wakePort', lane: this.options.lane, port: port1 },
      port1,
    );
    return port2;
  }

  private onEnded(error: unknown, reject: (error: unknown) => void): void {
    const { lane, dispatcher, control, logger } = this.options;
    const wasServing = this.threadId !== -1;
    this.threadId = -1;
    this.unwatch();
    this.port?.close();
    this.port = null;
    this.heldEpochs.clear();
    this.preparedEpoch = 0;
    this.answer.release();
    dispatcher.detach(lane);
    if (this.isStopping) return;
    this.deaths++;
    logger.error({ err: error, lane }, 'worker died');
    control.replaceWorker(lane);
    if (!wasServing) reject(error);
    else if (this.options.mayRestart()) this.restart();
  }

  private restart(): void {
    const { lane, logger } = this.options;
    this.start().then(
      () => {
        logger.info({ lane, threadId: this.threadId }, 'lane is served again');
        this.options.onServedAgain();
      },
      (error: unknown) => {
        logger.error({ err: error, lane }, 'worker did not start');
        if (this.options.mayRestart()) this.restart();
      },
    );
  }

  /** Tells the worker to stop; resolves when it has. */
  async stop(): Promise<void> {
    this.isStopping = true;
    const order: LaneOrder = { type: 'stop' };
    this.port?.postMessage(order);
    await this.served;
  }

  /** Ends the worker's thread at once, as a crash would. */
  async kill(): Promise<void> {
    await this.options.threads.lanes.terminate(this.threadId);
  }
}
