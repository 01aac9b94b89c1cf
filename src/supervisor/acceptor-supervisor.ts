/**
 * Keeps one acceptor running in a thread of its own: starts it, notices its death, and starts
 * another.
 *
 * Thread: supervisor. Owns what outlives the thread: its counters, and what its predecessors had
 * counted. A thread that dies takes its connections along; whatever else there is goes on.
 */
import type { Logger } from 'pino';
import type {
  AcceptorAsks,
  AcceptorOrder,
  AcceptorReading,
  AcceptorReport,
  AcceptorTask,
  AskName,
} from '../acceptor/acceptor-task.js';
import type { Clock, Timer } from '../base/clock.js';
import { StartupError } from '../base/startup-error.js';
import type { AcceptorFigures, LaneFigures } from '../channel/acceptor/acceptor-figures.js';
import { AcceptorLoads } from '../channel/acceptor/acceptor-loads.js';
import { AddressCounts } from '../channel/acceptor/address-counts.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import type { SharedConfig } from '../config/shared/shared-config.js';
import { AcceptorTally } from './acceptor-tally.js';
import { type HeartbeatRule, watchHeartbeat } from './heartbeat-monitor.js';
import type { AcceptorThread, Threads } from './threads.js';

/**
 * An acceptor beats every 200 ms. Its silence is found within 2 s; a long piece of work is shorter
 * than that.
 */
const HEARTBEAT: HeartbeatRule = { intervalMs: 250, silentLooksMax: 6 };

/** Longest wait for an answer, apart from those that say how long they take. */
const ANSWER_MS_MAX = 10_000;
/** To listen at addresses takes a process for each (acceptor/net/socket-copy.ts). */
const LISTEN_MS_MAX = 30_000;
/** A lane's memory is not used again when the acceptor does not let go of it in this time. */
const DETACH_MS_MAX = 60_000;
/** Pages show older figures of an acceptor that does not answer in this time. */
const FIGURES_MS_MAX = 250;
/** Longest wait for the end of an acceptor that was told to close. */
const CLOSE_MS_MAX = 2000;
/** How long a new thread tries to get the addresses that its predecessor had. */
const BIND_MS_MAX = 5000;
const BIND_AGAIN_MS = 50;

export interface AcceptorSupervisorOptions {
  readonly task: Omit<AcceptorTask, 'incarnation' | 'notices' | 'isDraining' | 'config'>;
  readonly config: SharedConfig;
  readonly clock: Clock;
  readonly threads: Threads;
  readonly logger: Logger;
  /** What a new thread must know before it opens listeners. */
  notices(): AcceptorTask['notices'];
  /** The thread has died: for how long its place rests. Below 0: for ever. */
  restMs(): number;
  /** The thread is another, or none for a while: its lanes begin anew. */
  onLanesLost(): void;
}

/** The thread has died before it answered. */
class AcceptorDiedError extends Error {
  constructor(name: string, cause: unknown) {
    super(`${name} died before it answered`, { cause });
  }
}

interface Waiting {
  readonly name: AskName;
  /** The thread has answered, in time or not, or has ended. */
  readonly over: Promise<void>;
  readonly onOver: () => void;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: Timer;
}

export class AcceptorSupervisor {
  deaths = 0;
  lostConnections = 0;

  private readonly loads: AcceptorLoads;
  private readonly addresses: AddressCounts | null;
  private config: SharedConfig;
  private thread: AcceptorThread | null = null;
  private osThreadId = 0;
  private watcher: Timer | null = null;
  private readonly waiting = new Map<number, Waiting>();
  private lastAsk = 0;
  private readonly tally: AcceptorTally;
  /** In force; empty before the start. */
  private listeners: readonly ListenerSettings[] = [];
  /** By listener where any port would do: the port that it has, and what this thread was told. */
  private readonly ports = new Map<string, number>();
  private readonly openedWith = new Map<string, number>();
  /** Told to bind what the next configuration needs: this thread. */
  private preparedIn: AcceptorThread | null = null;
  /** The thread takes orders. */
  isRunning = false;
  private isDraining = false;
  private isStopping = false;
  /** null: the place does not rest. */
  private rest: Timer | null = null;
  /** Of the last thread: it has ended with requests in flight. */
  private hasLostRequests = false;
  private onExited: () => void = () => {};
  private exited: Promise<void> = Promise.resolve();

  constructor(private readonly options: AcceptorSupervisorOptions) {
    const { task, config } = options;
    this.config = config;
    this.tally = new AcceptorTally(task.laneCount);
    this.loads = new AcceptorLoads(task.loads, task.acceptor);
    const { addresses, acceptor } = task;
    this.addresses = addresses === null ? null : new AddressCounts(addresses, acceptor);
  }

  /** Resolves when the thread takes orders. Rejects when it dies before. */
  start(): Promise<void> {
    const { task, threads, notices } = this.options;
    const { config, isDraining, deaths } = this;
    const data: AcceptorTask = {
      ...task,
      ...{ config, isDraining, incarnation: deaths, notices: notices() },
    };
    this.exited = new Promise((resolve) => {
      this.onExited = resolve;
    });
    return new Promise((resolve, reject) => {
      const thread = threads.startAcceptor(data, {
        onReport: (report) => {
          if (report.type !== 'started') {
            this.onReport(report);
            return;
          }
          this.osThreadId = report.osThreadId;
          this.isRunning = true;
          this.watch(thread);
          resolve();
        },
        onEnded: (failure) => {
          reject(failure);
          this.onEnded(failure);
        },
      });
      this.thread = thread;
    });
  }

  send(order: AcceptorOrder, transfer: readonly object[] = []): void {
    this.thread?.postMessage(order, transfer);
  }

  /** Rejects with the reason of the acceptor, or when it dies or does not answer in time. */
  private ask<Name extends AskName>(
    name: Name,
    content: AcceptorAsks[Name]['ask'],
    waitMs = ANSWER_MS_MAX,
  ): Promise<AcceptorAsks[Name]['answer']> {
    const { thread, options } = this;
    const who = options.task.name;
    if (thread === null) return Promise.reject(new AcceptorDiedError(who, null));
    this.lastAsk += 1;
    const number = this.lastAsk;
    return new Promise((resolve, reject) => {
      const timer = options.clock.after(waitMs, () =>
        reject(new Error(`${who} did not answer within ${waitMs / 1000} s`)),
      );
      let onOver = (): void => {};
      const over = new Promise<void>((end) => {
        onOver = end;
      });
      this.waiting.set(number, { name, over, onOver, resolve, reject, timer });
      thread.postMessage({ type: 'ask', number, name, content });
    });
  }

  private onReport(report: Exclude<AcceptorReport, { type: 'started' }>): void {
    const waiting = this.waiting.get(report.number);
    if (waiting === undefined) return;
    this.waiting.delete(report.number);
    waiting.timer.cancel();
    waiting.onOver();
    if (report.type === 'answer') waiting.resolve(report.answer as never);
    else if (report.isStartupError) waiting.reject(new StartupError(report.reason));
    else waiting.reject(new Error(report.reason));
  }

  private watch(thread: AcceptorThread): void {
    const { clock, logger, task } = this.options;
    const beating = { beats: () => this.loads.beats(), osThreadId: () => this.osThreadId };
    this.watcher = watchHeartbeat(beating, HEARTBEAT, clock, () => {
      logger.error({ acceptor: task.acceptor }, 'acceptor hangs');
      void thread.terminate();
    });
  }

  private unwatch(): void {
    this.watcher?.cancel();
    this.watcher = null;
  }

  private onEnded(error: unknown): void {
    const { task, logger } = this.options;
    const wasRunning = this.isRunning;
    const { open: lostConnections, inFlight: lostRequests } = this.loads;
    this.hasLostRequests = lostRequests > 0;
    this.unwatch();
    this.thread = null;
    this.preparedIn = null;
    this.osThreadId = 0;
    this.isRunning = false;
    this.openedWith.clear();
    this.loads.clear();
    this.addresses?.clear();
    const { osThreadId, deaths, isResting } = this;
    this.tally.onEnded({ osThreadId, deaths, lostConnections: 0, isResting }, this.loads);
    for (const { reject, timer, onOver } of this.waiting.values()) {
      timer.cancel();
      onOver();
      reject(new AcceptorDiedError(task.name, error));
    }
    this.waiting.clear();
    this.onExited();
    if (this.isStopping) return;
    this.deaths += 1;
    this.lostConnections += lostConnections;
    const lost = { acceptor: task.acceptor, lostConnections, lostRequests };
    logger.error({ err: error, ...lost }, 'acceptor died');
    if (wasRunning) this.startAgain();
  }

  /** At once, or when its place has rested. */
  private startAgain(): void {
    const { logger, task, clock, onLanesLost, restMs } = this.options;
    const ms = restMs();
    if (ms === 0) this.restart();
    if (ms <= 0) return;
    const rests = { acceptor: task.acceptor, restMs: ms };
    logger.error(rests, 'acceptor dies again and again: its place rests');
    // Workers end what they have for the clients that are gone.
    onLanesLost();
    this.rest = clock.after(ms, () => {
      this.rest = null;
      this.restart();
    });
  }

  /** The place is left empty for a while. */
  get isResting(): boolean {
    return this.rest !== null;
  }

  /** A thread that dies after this gets no successor. */
  private stop(): void {
    this.isStopping = true;
    this.rest?.cancel();
    this.rest = null;
  }

  private restart(): void {
    const { logger, task, onLanesLost } = this.options;
    const { acceptor } = task;
    this.start().then(
      () => logger.info({ acceptor }, 'acceptor runs again'),
      (error: unknown) => {
        logger.error({ err: error, acceptor }, 'acceptor did not start');
        if (!this.isStopping) this.startAgain();
      },
    );
    // Orders wait until the thread runs, and are carried out in this order.
    onLanesLost();
    void this.reopen();
  }

  /**
   * The addresses of the thread before. The kernel has freed them when that thread ended; somebody
   * else may have taken one.
   */
  private async reopen(): Promise<void> {
    const { clock, logger, task } = this.options;
    const { thread } = this;
    if (thread === null || this.listeners.length === 0) return;
    const untilMs = clock.nowMs() + BIND_MS_MAX;
    for (;;) {
      try {
        await this.startListeners(this.listeners);
        return;
      } catch (error) {
        if (this.thread !== thread || this.isStopping) return;
        if (clock.nowMs() > untilMs) {
          logger.error({ err: error, acceptor: task.acceptor }, 'acceptor cannot listen again');
          void thread.terminate();
          return;
        }
      }
      await new Promise<void>((resolve) => clock.after(BIND_AGAIN_MS, resolve));
    }
  }

  /** @throws StartupError when an address cannot be had. */
  async startListeners(listeners: readonly ListenerSettings[]): Promise<void> {
    this.listeners = listeners;
    // The thread gives up for these what it has prepared.
    this.preparedIn = null;
    this.take(await this.open('startListeners', listeners));
  }

  private open(
    name: 'startListeners' | 'prepareListeners',
    listeners: readonly ListenerSettings[],
  ): Promise<AcceptorReading> {
    return this.ask(name, this.asOpened(listeners), LISTEN_MS_MAX);
  }

  /**
   * Resolves when the thread has opened all listeners that it was told to open until now, or has
   * failed to: it copies no socket of these any more. An answer that nobody waits for counts, too.
   */
  async whenOpened(): Promise<void> {
    const opening = [...this.waiting.values()].filter(
      ({ name }) => name === 'startListeners' || name === 'prepareListeners',
    );
    await Promise.all(opening.map(({ over }) => over));
  }

  /** Listeners of several acceptors have one port, which is the first one's. */
  usePorts(ports: ReadonlyMap<string, number>): void {
    for (const [name, port] of ports) this.ports.set(name, port);
  }

  get portsInUse(): ReadonlyMap<string, number> {
    return this.ports;
  }

  /** @throws StartupError when an address cannot be had; then nothing has changed. */
  async prepareListeners(listeners: readonly ListenerSettings[]): Promise<void> {
    await this.tryPrepare(listeners).catch((error: unknown) => {
      // It may have died for another reason, and its successor can tell.
      if (!(error instanceof AcceptorDiedError) || this.isStopping) throw error;
      return this.tryPrepare(listeners);
    });
  }

  private async tryPrepare(listeners: readonly ListenerSettings[]): Promise<void> {
    // The next thread begins with what is in force by then.
    if (this.isResting) return;
    const prepared = this.open('prepareListeners', listeners);
    // Not when it answers: what it is told meanwhile may take this back.
    this.preparedIn = this.thread;
    await prepared;
  }

  discardListeners(): void {
    this.preparedIn = null;
    this.send({ type: 'discardListeners' });
  }

  /**
   * The configuration is in force. An acceptor that cannot take it is replaced by one that begins
   * with it. `listeners`: those of the configuration that this acceptor has.
   */
  async adopt(config: SharedConfig, listeners: readonly ListenerSettings[]): Promise<void> {
    const { thread, options } = this;
    const wasPrepared = this.preparedIn === thread;
    this.config = config;
    this.listeners = listeners;
    this.preparedIn = null;
    this.forgetPorts();
    if (thread === null) return;
    try {
      // A thread that has started since the listeners were prepared has those from before.
      if (!wasPrepared) await this.open('prepareListeners', listeners);
      this.take(await this.ask('adopt', config));
    } catch (error) {
      // Whatever has died begins again with what is in force.
      if (this.thread !== thread) return;
      const { acceptor } = options.task;
      options.logger.error({ err: error, acceptor }, 'acceptor could not take the configuration');
      await thread.terminate();
    }
  }

  /**
   * Where any port would do, a new thread gets the one that clients know; and one that has opened a
   * listener knows it by what it was given then.
   */
  private asOpened(listeners: readonly ListenerSettings[]): readonly ListenerSettings[] {
    return listeners.map((one) => {
      const { address, name } = one;
      if (address.kind !== 'tcp' || address.port !== 0) return one;
      const port = this.openedWith.get(name) ?? this.ports.get(name) ?? 0;
      this.openedWith.set(name, port);
      return { ...one, address: { ...address, port } };
    });
  }

  /** A listener that comes again under the name of one that is gone gets another port. */
  private forgetPorts(): void {
    const names = new Set(this.listeners.map(({ name }) => name));
    for (const ports of [this.ports, this.openedWith]) {
      for (const name of ports.keys()) if (!names.has(name)) ports.delete(name);
    }
  }

  private take(reading: AcceptorReading): void {
    this.tally.reading = reading;
    for (const { name, port } of reading.listeners) this.ports.set(name, port);
  }

  /** Resolves when the thread uses nothing of the lane's memory any more, or has ended. */
  async detachLane(lane: number): Promise<void> {
    try {
      await this.ask('detach', lane, DETACH_MS_MAX);
    } catch (error) {
      if (!(error instanceof AcceptorDiedError)) throw error;
    }
  }

  beginDrain(): void {
    this.isDraining = true;
    this.send({ type: 'drain' });
  }

  /** A thread that dies after this gets no successor: there is nothing left to do for it. */
  stopListening(): void {
    this.stop();
    this.send({ type: 'stopListening' });
  }

  /** True: nothing was in flight at the end of the wait, and nothing was lost meanwhile. */
  async whenEmpty(timeoutMs: number): Promise<boolean> {
    if (this.thread === null) return true;
    try {
      return await this.ask('whenEmpty', timeoutMs, timeoutMs + ANSWER_MS_MAX);
    } catch {
      // It died, and what it had in flight was cut off; or it has not answered.
      return this.thread === null && !this.hasLostRequests;
    }
  }

  /** Resolves when the thread has ended. */
  async close(): Promise<void> {
    this.stop();
    const { thread } = this;
    if (thread === null) return;
    try {
      await this.ask('close', null, CLOSE_MS_MAX);
    } catch (error) {
      if (this.thread !== null) this.options.logger.warn({ err: error }, 'acceptor did not close');
    }
    this.unwatch();
    await thread.terminate();
    await this.exited;
  }

  /** Makes the thread fail, for tests. False: there is none now. */
  injectFault(fault: Extract<AcceptorOrder, { type: 'fault' }>['fault']): boolean {
    if (this.thread === null) return false;
    this.send({ type: 'fault', fault });
    return true;
  }

  get inFlight(): number {
    return this.loads.inFlight;
  }

  /** While a thread starts, those of the one before, without its connections. */
  get listenerFigures(): AcceptorReading['listeners'] {
    return this.tally.listenerFigures;
  }

  /** Asks for the figures of this moment; a thread that does not answer is shown as it was. */
  async refresh(): Promise<void> {
    try {
      this.tally.reading = await this.ask('figures', null, FIGURES_MS_MAX);
    } catch {
      // Its supervision finds out why; a page is no place for that.
    }
  }

  get figures(): AcceptorFigures {
    const { osThreadId, deaths, lostConnections, isResting, loads } = this;
    const own = { osThreadId, deaths, lostConnections, isResting };
    return this.tally.figures(own, loads);
  }

  /** By place in this acceptor. */
  get laneFigures(): LaneFigures[] {
    return this.tally.laneFigures;
  }
}
