/**
 * Keeps the store's thread running, and sends commands of the main thread through it.
 *
 * Thread: supervisor. The gateway serves without the store, so this thread may die as often as it
 * likes: the next one starts a little later each time, and meanwhile the store counts as lost.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { Clock, Timer } from '../base/clock.js';
import type { CoordinatorMail } from '../channel/coordinator/coordinator-messages.js';
import type { Port } from '../channel/port.js';
import type { StoreMemory } from '../channel/store/store-channel.js';
import type { FeedEvent } from '../channel/store/store-feed-keys.js';
import type { StoreReport, StoreValue } from '../channel/store/store-messages.js';
import { STORE_LOST, StoreStatus } from '../channel/store/store-status.js';
import type { ThreadFault } from '../channel/thread-fault.js';
import type { CompiledStore } from '../config/store-settings.js';
import type { StoreFigures } from '../observability/gateway-status.js';
import { type HeartbeatRule, watchHeartbeat } from './heartbeat-monitor.js';
import type { StoreThread, Threads } from './threads.js';

/** The thread beats every 100 ms; its silence is found within a second. */
const HEARTBEAT: HeartbeatRule = { intervalMs: 250, silentLooksMax: 4 };

const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 10_000;
/** A thread that has run for this time was well. */
const WELL_MS = 10_000;
/** Longest wait for the thread to end by itself. */
const END_MS_MAX = 500;
/** Longest wait for the answer to a command. */
const ANSWER_MS_MAX = 3500;
/** Commands of the main thread that may be on their way. */
const COMMANDS_MAX = 4096;

/** A command was not answered: the store is lost, was too slow, or refused it. */
export class StoreLostError extends Error {}

export interface StoreSupervisorOptions {
  readonly config: CompiledStore;
  readonly memory: StoreMemory;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly threads: Threads;
  /** Hands a port to the coordinator's thread. */
  postToCoordinator(mail: CoordinatorMail, port: Port): void;
}

/** Hears what gateways tell each other through the store. */
export interface FeedListener {
  onEvent(event: FeedEvent): void;
  /** Events come from here on. `isContinuous`: none is missing since they came the last time. */
  onFollowing(isContinuous: boolean): void;
  /** Events do not come for now. */
  onFeedLost(reason: string): void;
}

interface Command {
  readonly resolve: (value: StoreValue) => void;
  readonly reject: (error: StoreLostError) => void;
  readonly timer: Timer;
}

export class StoreSupervisor {
  private readonly status: StoreStatus;
  private readonly nodeId = randomBytes(9).toString('base64url');
  /** The name of this gateway among those that share the store. */
  readonly nodeName = `${hostname()}/${this.nodeId.slice(0, 6)}`;
  private readonly commands = new Map<number, Command>();
  private thread: StoreThread | null = null;
  private watcher: Timer | null = null;
  private restart: Timer | null = null;
  private restartMs = RESTART_MS_MIN;
  private startedMs = 0;
  private osThreadId = 0;
  private lastId = 0;
  private deaths = 0;
  private reason = 'it was not reached yet';
  private isStopping = false;
  private onEnd: () => void = () => {};
  private onFound: () => void = () => {};
  private feed: FeedListener | null = null;
  private isFollowing = false;

  constructor(private readonly options: StoreSupervisorOptions) {
    this.status = new StoreStatus(options.memory.status);
  }

  /** False: the store is known to be lost, and nobody needs to wait for it. */
  get isUp(): boolean {
    return this.status.isUp;
  }

  get figures(): StoreFigures {
    const { isUp, isFollowing, deaths, status } = this;
    const counts = status.readCounts();
    const reason = isUp ? '' : this.reason;
    return { isUp, reason, isFollowing, nodes: status.nodes, deaths, counts };
  }

  /** The name of a key in the store; `area`: whose it is. */
  keyOf(area: string, name: string): string {
    return `${this.options.config.prefix}${area}:${name}`;
  }

  /** Starts the thread; nothing waits for it. */
  start(): void {
    const { config, memory, threads, clock } = this.options;
    this.startedMs = clock.nowMs();
    const { nodeId, nodeName } = this;
    const task = { config, memory, nodeId, nodeName };
    const thread = threads.startStore(task, {
      onReport: (report) => this.onReport(report, thread),
      onEnded: (error) => this.onEnded(error),
    });
    this.thread = thread;
    this.connect();
    if (this.feed !== null) thread.postMessage({ type: 'follow' });
  }

  /** Resolves when the store can be used for the first time, or after this time. */
  async whenFound(msMax: number): Promise<void> {
    if (this.isUp) return;
    const found = new Promise<void>((resolve) => {
      this.onFound = resolve;
    });
    const timer = this.options.clock.after(msMax, this.onFound);
    await found;
    timer.cancel();
  }

  /** Listens to what gateways tell each other, from the next start of the thread on. */
  listen(feed: FeedListener): void {
    this.feed = feed;
  }

  /** What every key of the store begins with. */
  get prefix(): string {
    return this.options.config.prefix;
  }

  /** Gives the two threads a new line: one of them is another than before. */
  connect(): void {
    const { threads, postToCoordinator } = this.options;
    const { port1, port2 } = threads.newChannel();
    this.thread?.postMessage({ type: 'wakePort', port: port2 }, [port2]);
    postToCoordinator({ type: 'storePort', port: port1 }, port1);
  }

  /**
   * Runs a command, once at most. Rejects with a StoreLostError: at once while the store is known
   * to be lost, else with what it said, or when it has said nothing for ANSWER_MS_MAX.
   */
  run(command: readonly (string | number)[]): Promise<StoreValue> {
    const { clock } = this.options;
    return new Promise((resolve, reject) => {
      if (!this.isUp || this.thread === null || this.commands.size >= COMMANDS_MAX) {
        reject(new StoreLostError('the store is lost'));
        return;
      }
      const id = ++this.lastId;
      const timer = clock.after(ANSWER_MS_MAX, () => this.fail(id, 'the store does not answer'));
      this.commands.set(id, { resolve, reject, timer });
      this.thread.postMessage({ type: 'run', id, command });
    });
  }

  /** Makes the thread fail, for tests. */
  injectFault(fault: ThreadFault): void {
    this.thread?.postMessage({ type: 'fault', fault });
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    this.onFound();
    this.restart?.cancel();
    const { thread } = this;
    if (thread === null) return;
    const ended = new Promise<void>((resolve) => {
      this.onEnd = resolve;
    });
    thread.postMessage({ type: 'stop' });
    const cut = this.options.clock.after(END_MS_MAX, () => void thread.terminate());
    await ended;
    cut.cancel();
  }

  private onReport(report: StoreReport, thread: StoreThread): void {
    const { logger } = this.options;
    switch (report.type) {
      case 'started':
        this.osThreadId = report.osThreadId;
        this.watch(thread);
        return;
      case 'ran':
        this.take(report.id)?.resolve(report.value);
        return;
      case 'failed':
        this.fail(report.id, report.reason);
        return;
      case 'state':
        this.reason = report.reason;
        if (report.isUp) this.onFound();
        if (report.isUp) logger.info({ nodes: this.status.nodes }, 'store found');
        else logger.warn({ reason: report.reason }, 'store lost');
        return;
      case 'event':
        this.feed?.onEvent(report.event);
        return;
      case 'feed':
        this.onFeed(report);
        return;
      default:
        logger.warn(report.details, report.message);
    }
  }

  private onFeed({ isFollowing, isContinuous, reason }: Extract<StoreReport, { type: 'feed' }>) {
    this.isFollowing = isFollowing;
    if (isFollowing) {
      this.feed?.onFollowing(isContinuous);
      return;
    }
    this.options.logger.warn({ reason }, 'events of other gateways do not come');
    this.feed?.onFeedLost(reason);
  }

  private fail(id: number, reason: string): void {
    this.take(id)?.reject(new StoreLostError(reason));
  }

  private take(id: number): Command | undefined {
    const command = this.commands.get(id);
    this.commands.delete(id);
    command?.timer.cancel();
    return command;
  }

  private watch(thread: StoreThread): void {
    const { clock, logger } = this.options;
    const beating = { beats: () => this.status.beats(), osThreadId: () => this.osThreadId };
    this.watcher?.cancel();
    this.watcher = watchHeartbeat(beating, HEARTBEAT, clock, () => {
      // Nobody waits for a thread that hangs.
      this.status.setState(STORE_LOST);
      logger.error("the store's thread hangs");
      void thread.terminate();
    });
  }

  private onEnded(error: unknown): void {
    const { clock, logger } = this.options;
    this.watcher?.cancel();
    this.thread = null;
    this.isFollowing = false;
    this.status.setState(STORE_LOST);
    for (const id of [...this.commands.keys()]) this.fail(id, "the store's thread has ended");
    this.onEnd();
    if (this.isStopping) return;
    this.feed?.onFeedLost('its thread has ended');
    this.deaths++;
    this.reason = 'its thread has ended';
    logger.error({ err: error }, "the store's thread died");
    const wasWell = clock.nowMs() - this.startedMs > WELL_MS;
    this.restartMs = wasWell ? RESTART_MS_MIN : Math.min(RESTART_MS_MAX, this.restartMs * 2);
    this.restart = clock.after(this.restartMs, () => this.start());
  }
}
