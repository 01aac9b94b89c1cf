/**
 * Keeps one lane served: gives it a worker, notices the worker's death, and gives it another.
 *
 * Thread: supervisor. Owns the lane's memory and its ports. Each incarnation has memory of its own,
 * as if it were fresh, so that no worker reads what a dead one left half done: lane-memories.ts.
 */
import type { Logger } from 'pino';
import type { AcceptorFront } from '../acceptor/acceptor-front.js';
import { assertNever, defined } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import type { CacheMemory } from '../channel/cache/cache-memory.js';
import type { CoordinatorControl } from '../channel/coordinator/coordinator-control.js';
import { type CoordinatorMemory, laneMemoryOf } from '../channel/coordinator/coordinator-memory.js';
import type { CoordinatorMail } from '../channel/coordinator/coordinator-messages.js';
import type { IdentityNotice, IdentityRequest } from '../channel/identity-messages.js';
import { type LaneMemory, laneStatusOf } from '../channel/lane.js';
import type { PluginMemory } from '../channel/plugins/plugin-board.js';
import type { Port } from '../channel/port.js';
import type { ThreadFault } from '../channel/thread-fault.js';
import type { SharedConfig } from '../config/shared/shared-config.js';
import type { LaneOrder, LaneReport, LaneTask } from '../worker/lane-task.js';
import type { MirrorSample } from '../worker/mirror/mirrors.js';
import { AwaitedAnswer } from './awaited-answer.js';
import { type HeartbeatRule, watchHeartbeat } from './heartbeat-monitor.js';
import type { LaneMemories } from './lane-memories.js';
import type { PluginWatch } from './plugin-watch.js';
import type { Threads } from './threads.js';

/**
 * A worker beats every 200 ms. Its silence is found within 2 s; a long piece of work is shorter
 * than that. From half of that time on requests go to other workers, or wait: before what this one
 * has not read is so old that the lane counts as overloaded.
 */
const HEARTBEAT: HeartbeatRule = { intervalMs: 250, silentLooksMax: 6, doubtLooks: 3 };

/**
 * A thread that is stuck outside JavaScript may not end when it is told to. Longest wait for its
 * end.
 */
const END_MS_MAX = 1000;

/** Longer than a plugin may take to be set up: one that is waited for has its own deadline. */
const BEGIN_MS_MAX = 15_000;

export interface LaneSupervisorOptions {
  readonly lane: number;
  readonly config: SharedConfig;
  readonly clock: Clock;
  readonly threads: Threads;
  readonly front: AcceptorFront;
  readonly memories: LaneMemories;
  readonly memory: CoordinatorMemory;
  readonly control: CoordinatorControl;
  readonly counters: SharedArrayBuffer;
  readonly cache: CacheMemory;
  readonly plugins: PluginMemory;
  /** Who the plugin in a worker was, and what becomes of it. */
  readonly pluginWatch: PluginWatch;
  /** What requests come to while a configuration is on trial. */
  readonly trial: SharedArrayBuffer;
  readonly hashKey: readonly [number, number];
  readonly logger: Logger;
  /** What a new worker must know about keys. */
  identityNotices(): readonly IdentityNotice[];
  /** A worker asks for keys or tokens. */
  onIdentityRequest(lane: number, request: IdentityRequest): void;
  /** The reply to a copy of a request differs from what its client got. */
  onMirrorSample(sample: MirrorSample): void;
  /** Hands a wake port to the coordinator's thread. */
  postToCoordinator(mail: CoordinatorMail, port: Port): void;
  /** The lane's worker has died. False: workers died too often, and the gateway gives up. */
  mayRestart(): boolean;
  /** The lane has its next worker. */
  onServedAgain(): void;
}

export class LaneSupervisor {
  /** Versions of the configuration that the worker may still use. */
  readonly heldEpochs = new Set<number>();
  /** Workers that have died on this lane. */
  deaths = 0;
  osThreadId = 0;
  /** Node's id of the thread that serves the lane; -1: none does. */
  threadId = -1;

  /** null: no worker has it. */
  private laneMemory: LaneMemory | null = null;
  /** The worker's thread has ended. */
  private ended = neverEnded();
  /** By generation: memory that the worker is to let go of. */
  private readonly leaving = new Map<number, () => void>();
  private config: SharedConfig;
  private preparedEpoch = 0;
  private readonly answer: AwaitedAnswer;
  private port: Port<LaneReport, LaneOrder> | null = null;
  private watcher: Timer | null = null;
  private beginning: Timer | null = null;
  private isStopping = false;
  /** A plugin has made the worker hang. */
  private isByPlugin = false;
  private served: Promise<void> = Promise.resolve();

  constructor(private readonly options: LaneSupervisorOptions) {
    this.config = options.config;
    this.answer = new AwaitedAnswer(`the worker of lane ${options.lane}`, options.clock);
  }

  private takeMemory(): LaneMemory {
    this.laneMemory = this.options.memories.take(this.config.settings.limits.laneRingBytes);
    return this.laneMemory;
  }

  private retireMemory(letGo: readonly Promise<unknown>[]): void {
    const { lane, memories, logger } = this.options;
    const { laneMemory } = this;
    this.laneMemory = null;
    if (laneMemory === null) return;
    memories
      .retire(laneMemory, letGo)
      .catch((error: unknown) =>
        logger.warn({ err: error, lane }, 'memory of a lane is not used again'),
      );
  }

  /** Starts a worker. Resolves when the worker serves the lane. */
  start(): Promise<void> {
    const { lane, threads, front, memory, counters, cache, plugins, trial, hashKey } = this.options;
    const { config } = this;
    const laneMemory = this.takeMemory();
    const { port1: port, port2: workerPort } = threads.newChannel<LaneOrder, LaneReport>();
    const { port1: doorbell, port2: workerDoorbell } = threads.newChannel();
    const wakePort = this.connectToCoordinator();
    const task: LaneTask = {
      lane,
      config,
      memory: laneMemory,
      port: workerPort,
      doorbell: workerDoorbell,
      coordinator: laneMemoryOf(memory, lane),
      wakePort,
      counters,
      cache,
      plugins,
      isSuccessor: this.deaths > 0,
      trial,
      hashKey,
      notices: this.options.identityNotices(),
    };
    this.port = port;
    this.heldEpochs.add(config.settings.epoch);
    return new Promise((resolve, reject) => {
      const onReady = (): void => {
        front.attachLane(lane, laneMemory, doorbell);
        this.watch(laneMemory);
        // Another version may have come into force while the thread started.
        if (this.config !== config) this.send({ type: 'prepare', config: this.config });
        resolve();
      };
      port.on('message', (report: LaneReport) => this.onReport(report, onReady));
      this.served = threads.lanes.serve(task).then(
        () => this.onEnded(new Error('the worker stopped serving its lane'), reject),
        (error: unknown) => this.onEnded(error, reject),
      );
    });
  }

  private onLeft(generation: number): void {
    this.leaving.get(generation)?.();
    this.leaving.delete(generation);
  }

  /** A plugin that never comes to its end as it is set up keeps the worker from serving. */
  private onBegun(threadId: number): void {
    const { lane, clock, pluginWatch, threads } = this.options;
    this.ended = threads.lanes.whenEnded(threadId);
    this.beginning = clock.after(BEGIN_MS_MAX, () => {
      this.isByPlugin = pluginWatch.onHang(lane);
      if (this.isByPlugin) this.endThread(threadId);
    });
  }

  /** At once, as a crash would. */
  private endThread(threadId: number): void {
    const { lane, threads, logger } = this.options;
    threads.lanes
      .terminate(threadId)
      .catch((error: unknown) => logger.error({ err: error, lane }, 'worker does not end'));
  }

  private watch(memory: LaneMemory): void {
    const status = laneStatusOf(memory);
    const thread = { beats: () => status.beats(), osThreadId: () => this.osThreadId };
    const { lane, front, clock } = this.options;
    const onDoubt = (isDoubtful: boolean): void =>
      isDoubtful ? front.suspendLane(lane) : front.resumeLane(lane);
    this.watcher = watchHeartbeat(thread, HEARTBEAT, clock, () => this.onHang(), onDoubt);
  }

  private unwatch(): void {
    this.watcher?.cancel();
    this.watcher = null;
  }

  /**
   * The requests of the worker move on when its thread has ended for sure: until then it may still
   * run them. Its lane gets none any more since it was in doubt.
   */
  private onHang(): void {
    const { lane, clock, front, logger } = this.options;
    this.unwatch();
    // Before any other worker can run it.
    this.isByPlugin = this.options.pluginWatch.onHang(lane);
    logger.error({ lane }, 'worker hangs');
    const { threadId } = this;
    this.endThread(threadId);
    clock.after(END_MS_MAX, () => {
      if (this.threadId !== threadId) return;
      logger.error({ lane }, 'worker thread does not end; its requests are given up');
      front.abandonLane(lane);
    });
  }

  /** Makes the worker fail, for tests. False: the lane has no worker now. */
  injectFault(fault: ThreadFault): boolean {
    if (this.port === null || this.threadId === -1) return false;
    this.send({ type: 'fault', fault });
    return true;
  }

  /**
   * Makes the worker compile the configuration without using it. Rejects with the worker's reason
   * when it cannot. A missing or dying worker is not an error: its successor begins with the
   * configuration that is then in force.
   */
  async prepare(config: SharedConfig): Promise<void> {
    if (this.threadId === -1) return;
    this.send({ type: 'prepare', config });
    await this.answer.wait(`prepared ${config.settings.epoch}`);
  }

  /** False: the worker that has is not there any more. */
  hasPrepared(epoch: number): boolean {
    return this.threadId !== -1 && this.preparedEpoch === epoch;
  }

  /**
   * What every worker has prepared gets `percent` of this worker's requests. A worker that dies is
   * followed by one that knows only what is in force.
   */
  tryOut(epoch: number, percent: number): void {
    if (!this.hasPrepared(epoch)) return;
    if (percent > 0) this.heldEpochs.add(epoch);
    this.send({ type: 'tryOut', epoch, percent });
  }

  /** What was on trial does not come into force. */
  takeBack(): void {
    this.send({ type: 'takeBack' });
  }

  /**
   * The configuration that every worker has prepared comes into force. Resolves when the worker
   * uses it.
   */
  async commit(config: SharedConfig): Promise<void> {
    this.config = config;
    if (this.threadId === -1) return;
    this.heldEpochs.add(config.settings.epoch);
    if (this.preparedEpoch === config.settings.epoch)
      this.send({ type: 'commit', epoch: config.settings.epoch });
    // This worker is not the one that had prepared the configuration: it begins with it now.
    else this.send({ type: 'prepare', config });
    await this.answer.wait(`committed ${config.settings.epoch}`);
  }

  private send(order: LaneOrder, transfer: readonly Port[] = []): void {
    this.port?.postMessage(order, transfer);
  }

  /** `onReady`: the worker serves its lane from now on. */
  private onReport(report: LaneReport, onReady: () => void): void {
    const { lane, pluginWatch, onIdentityRequest, onMirrorSample } = this.options;
    switch (report.type) {
      case 'begun':
        this.onBegun(report.threadId);
        break;
      case 'ready':
        this.beginning?.cancel();
        this.osThreadId = report.osThreadId;
        this.threadId = report.threadId;
        onReady();
        break;
      case 'left':
        this.onLeft(report.generation);
        break;
      case 'identity':
        onIdentityRequest(lane, report.request);
        break;
      case 'mirrorSample':
        onMirrorSample(report.sample);
        break;
      case 'pluginStore':
        this.send({ type: 'pluginStore', answer: pluginWatch.answer(report.ask) });
        break;
      case 'pluginCall': {
        const { port } = this;
        void pluginWatch.call(lane, report.ask, (answer) =>
          port?.postMessage({ type: 'pluginCall', answer }),
        );
        break;
      }
      default:
        this.onConfigReport(report);
    }
  }

  private onConfigReport(report: Extract<LaneReport, { readonly epoch: number }>): void {
    const { epoch } = report;
    switch (report.type) {
      case 'prepared':
        this.preparedEpoch = epoch;
        if (this.answer.give(`prepared ${epoch}`) || epoch !== this.config.settings.epoch) break;
        this.heldEpochs.add(epoch);
        this.send({ type: 'commit', epoch });
        break;
      case 'unprepared': {
        const error = new Error(report.reason);
        for (const step of ['prepared', 'committed']) this.answer.fail(`${step} ${epoch}`, error);
        // Where it is in force already, a refusal changes nothing for the other workers. One that
        // comes late, of a version that was refused, changes nothing at all.
        if (epoch === this.config.settings.epoch) this.replaceOutdated(report.reason);
        break;
      }
      case 'committed':
        this.answer.give(`committed ${epoch}`);
        break;
      case 'released':
        this.heldEpochs.delete(epoch);
        break;
      default:
        assertNever(report);
    }
  }

  /**
   * The worker cannot take the configuration that all others have. It is replaced, since a worker
   * under an old version must not go on.
   */
  private replaceOutdated(reason: string): void {
    const { lane, logger } = this.options;
    logger.error({ lane, reason }, 'worker could not take the configuration');
    this.endThread(this.threadId);
  }

  /**
   * A new coordinator thread has no wake port for this lane: it gets one, and the worker gets the
   * other end.
   */
  onCoordinatorRestarted(): void {
    if (this.port === null) return;
    const wakePort = this.connectToCoordinator();
    this.send({ type: 'wakePort', port: wakePort }, [wakePort]);
  }

  /**
   * The acceptor that this lane leads to is another: the worker ends what is in flight, and both
   * get fresh memory. A worker that does not serve yet, or hangs, is not troubled: its lane is
   * fresh, or will be its successor's.
   */
  renew(): void {
    const { lane, front, threads } = this.options;
    if (this.watcher === null) return;
    const { generation } = defined(this.laneMemory, 'the memory of a lane that is served');
    const left = new Promise<void>((resolve) => this.leaving.set(generation, resolve));
    // The acceptor that had it has ended.
    this.retireMemory([Promise.race([left, this.ended])]);
    const memory = this.takeMemory();
    const { port1: doorbell, port2: workerDoorbell } = threads.newChannel();
    this.send({ type: 'lane', memory, doorbell: workerDoorbell }, [workerDoorbell]);
    front.attachLane(lane, memory, doorbell);
    this.unwatch();
    this.watch(memory);
  }

  /**
   * Tells the worker about keys or tokens. A worker that starts later learns the same from
   * identityNotices(). False: there is no worker now.
   */
  tellIdentity(notice: IdentityNotice): boolean {
    this.send({ type: 'identity', notice });
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
    const { lane, front, control, logger } = this.options;
    const wasServing = this.threadId !== -1;
    this.threadId = -1;
    this.unwatch();
    this.beginning?.cancel();
    this.port?.close();
    this.port = null;
    this.heldEpochs.clear();
    this.preparedEpoch = 0;
    this.answer.release();
    this.retireMemory([this.ended, front.detachLane(lane)]);
    this.ended = neverEnded();
    this.leaving.clear();
    if (this.isStopping) return;
    this.deaths++;
    const isByPlugin = this.isByPlugin;
    this.isByPlugin = false;
    if (!isByPlugin && wasServing) this.options.pluginWatch.onDeath(lane);
    this.options.pluginWatch.onGone(lane);
    logger.error({ err: error, lane }, 'worker died');
    control.replaceWorker(lane);
    if (!wasServing) reject(error);
    // A plugin that makes workers hang is put out: there is an end to that by itself.
    else if (isByPlugin || this.options.mayRestart()) this.restart();
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

  /** Discovery has lost targets. */
  tellTargetsLeft(): void {
    this.send({ type: 'targetsLeft' });
  }

  /** The worker ends its WebSockets, with a Close of this code. */
  closeTunnels(code: number, reason: string): void {
    this.send({ type: 'closeTunnels', code, reason });
  }

  /** Tells the worker to stop. Resolves when it has stopped. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.send({ type: 'stop' });
    await this.served;
  }

  /** Ends the worker's thread at once, as a crash would. For tests of a crash. */
  async kill(): Promise<void> {
    await this.options.threads.lanes.terminate(this.threadId);
  }
}

/** Of a thread that is not known: one promise for all would keep whatever waits for it. */
function neverEnded(): Promise<void> {
  return new Promise(() => {});
}
