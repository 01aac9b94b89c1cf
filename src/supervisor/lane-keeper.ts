/**
 * Keeps one lane served: gives it a worker, notices its death, and gives it another.
 *
 * Thread: supervisor. Owns the lane's memory and its ports. Each incarnation has fresh memory, so
 * that nothing which a dead worker left half done can be read by the next.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Logger } from 'pino';
import type { Piscina } from 'piscina';
import type { LaneDispatcher } from '../acceptor/lane-dispatcher.js';
import { defined } from '../base/assert.js';
import type { CoordinatorControl } from '../channel/coordinator-control.js';
import { type CoordinatorMemory, laneMemoryOf } from '../channel/coordinator-memory.js';
import type { CoordinatorMail } from '../channel/coordinator-messages.js';
import { allocateLane } from '../channel/lane.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { DOORBELL, type LaneOrder, type LaneReport, type LaneTask } from '../worker/lane-task.js';
import { AwaitedAnswer } from './awaited-answer.js';

export interface LaneKeeperOptions {
  readonly lane: number;
  readonly config: CompiledConfig;
  readonly pool: Piscina;
  readonly dispatcher: LaneDispatcher;
  readonly memory: CoordinatorMemory;
  readonly control: CoordinatorControl;
  readonly counters: SharedArrayBuffer;
  readonly hashKey: readonly [number, number];
  readonly logger: Logger;
  /** Hands the coordinator's thread its end of a wake port. */
  postToCoordinator(mail: CoordinatorMail, port: MessagePort): void;
  /** The lane's worker died. False: it died too often, and the gateway gives up. */
  mayRestart(): boolean;
}

export class LaneKeeper {
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
  private port: MessagePort | null = null;
  private isStopping = false;
  private served: Promise<void> = Promise.resolve();

  constructor(private readonly options: LaneKeeperOptions) {
    this.config = options.config;
    this.answer = new AwaitedAnswer(`the worker of lane ${options.lane}`);
  }

  /** Starts a worker; resolves when it serves the lane. */
  start(): Promise<void> {
    const { lane, pool, dispatcher, memory, counters, hashKey } = this.options;
    const { config } = this;
    const laneMemory = allocateLane();
    const { port1: port, port2: workerPort } = new MessageChannel();
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
    };
    this.port = port;
    this.heldEpochs.add(config.epoch);
    return new Promise((resolve, reject) => {
      port.on('message', (report: LaneReport) => {
        if (report === DOORBELL) {
          dispatcher.onDoorbell();
          return;
        }
        if (report.type !== 'ready') {
          this.onReport(report);
          return;
        }
        this.osThreadId = report.osThreadId;
        this.threadId = report.threadId;
        dispatcher.attach(lane, laneMemory, port);
        // Another version may have come into force while the thread started.
        if (this.config !== config) this.send({ type: 'prepare', config: this.config });
        resolve();
      });
      this.served = pool.run(task, { transferList: [workerPort, wakePort] }).then(
        () => this.onEnded(new Error('the worker stopped serving its lane'), reject),
        (error: unknown) => this.onEnded(error, reject),
      );
    });
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

  private onReport(report: Exclude<LaneReport, typeof DOORBELL | { type: 'ready' }>): void {
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

  private connectToCoordinator(): MessagePort {
    const { port1, port2 } = new MessageChannel();
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
      () => logger.info({ lane, threadId: this.threadId }, 'lane is served again'),
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

  /** Ends the worker's thread at once, as a crash would. For tests of just that. */
  async kill(): Promise<void> {
    const { threadId } = this;
    const thread = this.options.pool.threads.find((worker) => worker.threadId === threadId);
    await defined(thread, 'the thread of the lane').terminate();
  }
}
