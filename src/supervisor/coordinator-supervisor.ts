/**
 * Keeps the coordinator's thread running, always on the same memory.
 *
 * Thread: supervisor. Owns the shared tables: the death of a coordinator loses nothing, and its
 * successor goes on from the same state.
 */
import type { Logger } from 'pino';
import { defined } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import {
  REASON_ERRORS,
  REASON_LATENCY,
  ROLLOUT_PHASES,
  ROLLOUT_REASONS,
  type RolloutOrder,
} from '../base/rollout-words.js';
import { CoordinatorControl } from '../channel/coordinator/coordinator-control.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import type {
  CoordinatorFault,
  CoordinatorMail,
  CoordinatorMessage,
} from '../channel/coordinator/coordinator-messages.js';
import { CoordinatorStatus } from '../channel/coordinator/coordinator-status.js';
import { RolloutView } from '../channel/coordinator/rollout-memory.js';
import { TargetSlotView } from '../channel/coordinator/target-slots.js';
import type { Port } from '../channel/port.js';
import { allocateStoreMemory, type StoreMemory } from '../channel/store/store-channel.js';
import type { SharedConfig } from '../config/shared/shared-config.js';
import { allocateCoordinatorMemory } from '../coordinator/coordinator-setup.js';
import { AwaitedAnswer } from './awaited-answer.js';
import { nameInSlot } from './discovery/found-targets.js';
import { type HeartbeatRule, watchHeartbeat } from './heartbeat-monitor.js';
import type { CoordinatorThread, Threads } from './threads.js';

/** The coordinator beats at least every 100 ms; its silence is found within half a second. */
const HEARTBEAT: HeartbeatRule = { intervalMs: 80, silentLooksMax: 4 };

/** How long an order waits for its answer, and how often it looks for it. */
const ORDER_WAIT_MS = 3000;
const ORDER_LOOK_MS = 10;

/** A share is in ten-thousandths. */
const SHARE_OF_PERCENT = 100;

const STATE_NAMES = ['closed', 'open', 'half-open'];

export interface CoordinatorSupervisorOptions {
  readonly first: SharedConfig;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly threads: Threads;
  /** Called when the thread has died. False: it died too often, and the gateway gives up. */
  mayRestart(): boolean;
  /** A new thread runs: every worker needs a new wake port. */
  onRestarted(): void;
}

/** The coordinator died before it took a configuration. */
export class CoordinatorDiedError extends Error {
  constructor(cause: unknown) {
    super('the coordinator died while it took the configuration', { cause });
  }
}

export class CoordinatorSupervisor {
  readonly memory: CoordinatorMemory;
  readonly control: CoordinatorControl;
  /** null: no store is configured. */
  readonly storeMemory: StoreMemory | null;
  deaths = 0;
  osThreadId = 0;

  private readonly status: CoordinatorStatus;
  private readonly slots: TargetSlotView;
  private readonly rollouts: RolloutView;
  /** Versions that the coordinator answers for, oldest first. */
  private configs: readonly SharedConfig[];
  private readonly answer: AwaitedAnswer;
  private started: Promise<void> = Promise.resolve();
  private thread: CoordinatorThread | null = null;
  private watcher: Timer | null = null;
  private isStopping = false;
  private exited: Promise<void> = Promise.resolve();

  constructor(private readonly options: CoordinatorSupervisorOptions) {
    this.configs = [options.first];
    this.answer = new AwaitedAnswer('the coordinator', options.clock);
    this.memory = allocateCoordinatorMemory(options.first.settings);
    this.control = new CoordinatorControl(this.memory);
    const { store } = options.first.settings;
    this.storeMemory = store === null ? null : allocateStoreMemory(this.memory.status);
    this.status = new CoordinatorStatus(this.memory.status);
    this.slots = new TargetSlotView(this.memory.slots);
    const { capacity } = options.first.settings;
    this.rollouts = new RolloutView(this.memory.rollouts, capacity.rollouts);
  }

  /** Whether the coordinator runs, and has begun a cycle lately. */
  get isDeciding(): boolean {
    return !this.status.isLost(this.options.clock.nowMs());
  }

  /** Starts the thread. Resolves when the thread answers asks. */
  start(): Promise<void> {
    this.started = this.startThread();
    return this.started;
  }

  /**
   * Makes the coordinator use these versions, of which the last one is in force; resolves when it
   * does. Rejects when it cannot, or dies: the coordinator, or its successor, then goes on as
   * before.
   */
  async adopt(configs: readonly SharedConfig[]): Promise<void> {
    await this.started.catch((error: unknown) => {
      throw new CoordinatorDiedError(error);
    });
    const { epoch } = defined(configs.at(-1), 'the version in force').settings;
    const taken = this.answer.wait(`configured ${epoch}`);
    this.thread?.postMessage({ type: 'configs', configs } satisfies CoordinatorMail);
    this.control.tellMail();
    await taken;
    this.configs = configs;
  }

  private startThread(): Promise<void> {
    const { configs, memory, storeMemory } = this;
    return new Promise((resolve, reject) => {
      let onExited: () => void = () => {};
      this.exited = new Promise((settle) => {
        onExited = settle;
      });
      const data = { configs, memory, storeMemory, wakePorts: [] };
      const thread = this.options.threads.startCoordinator(data, {
        onMessage: (message) => {
          if (message.type === 'started') {
            this.osThreadId = message.osThreadId;
            this.status.setDown(false);
            this.watch(thread);
            resolve();
          } else this.onMessage(message);
        },
        onEnded: (failure) => {
          onExited();
          reject(failure);
          this.onExit(failure);
        },
      });
      this.thread = thread;
    });
  }

  private watch(thread: CoordinatorThread): void {
    const { clock, logger } = this.options;
    const beating = { beats: () => this.status.beats(), osThreadId: () => this.osThreadId };
    this.watcher = watchHeartbeat(beating, HEARTBEAT, clock, () => {
      logger.error('coordinator hangs');
      void thread.terminate();
    });
  }

  private unwatch(): void {
    this.watcher?.cancel();
    this.watcher = null;
  }

  private onMessage(message: Exclude<CoordinatorMessage, { type: 'started' }>): void {
    switch (message.type) {
      case 'configured':
        this.answer.give(`configured ${message.epoch}`);
        break;
      case 'breaker':
        this.logBreaker(message);
        break;
      case 'rollout':
        this.logRollout(message);
        break;
      default:
        this.logHealth(message);
    }
  }

  private logBreaker(message: Extract<CoordinatorMessage, { type: 'breaker' }>): void {
    const { from, to, reason } = message;
    this.options.logger.warn(
      {
        ...this.namesOf(message.targetIndex),
        from: STATE_NAMES[from],
        to: STATE_NAMES[to],
        reason,
        ...lasting(message),
      },
      'circuit breaker changed',
    );
  }

  private logHealth(message: Extract<CoordinatorMessage, { type: 'health' }>): void {
    const { isHealthy, reason } = message;
    const level = isHealthy ? 'info' : 'warn';
    this.options.logger[level](
      { ...this.namesOf(message.targetIndex), healthy: isHealthy, reason, ...lasting(message) },
      'target health changed',
    );
  }

  /** A split that is taken back by its guard is the one thing here that somebody has to look at. */
  private logRollout(change: Extract<CoordinatorMessage, { type: 'rollout' }>): void {
    const { rolloutIndex, phase, reason } = change;
    const rollout = this.configs
      .flatMap(({ settings }) => settings.rollouts)
      .findLast(({ index }) => index === rolloutIndex);
    const { share, old, next } = this.rollouts.figuresOf(rolloutIndex);
    const isBad = reason === REASON_ERRORS || reason === REASON_LATENCY;
    this.options.logger[isBad ? 'warn' : 'info'](
      {
        route: rollout?.route,
        upstream: rollout?.newSide,
        phase: ROLLOUT_PHASES[phase],
        reason: ROLLOUT_REASONS[reason],
        sharePercent: share / SHARE_OF_PERCENT,
        old,
        new: next,
      },
      isBad ? 'traffic split taken back' : 'traffic split changed',
    );
  }

  /**
   * Orders something about a split, and resolves when it is done. False: no coordinator has done it
   * within a few seconds; the next one will.
   */
  async orderRollout(row: number, order: RolloutOrder, share: number): Promise<boolean> {
    const { clock } = this.options;
    const serial = this.rollouts.order(row, order, share);
    this.thread?.postMessage({ type: 'rolloutOrder' } satisfies CoordinatorMail);
    this.control.tellMail();
    const untilMs = clock.nowMs() + ORDER_WAIT_MS;
    while (!this.rollouts.isObeyed(row, serial)) {
      if (clock.nowMs() >= untilMs) return false;
      await new Promise<void>((resolve) => clock.after(ORDER_LOOK_MS, resolve));
    }
    return true;
  }

  private namesOf(targetIndex: number): { target?: string; upstream?: string } {
    for (const { settings } of this.configs.toReversed()) {
      const target = settings.targets.find(({ index }) => index === targetIndex);
      const upstream = settings.upstreams.find(({ index }) => index === target?.upstreamIndex);
      if (target === undefined || upstream === undefined) continue;
      const { hostPort, isSlot } = target;
      return {
        target: isSlot ? nameInSlot(this.slots, targetIndex) : hostPort,
        upstream: upstream.name,
      };
    }
    return {};
  }

  private onExit(error: unknown): void {
    this.unwatch();
    if (this.isStopping) return;
    this.status.setDown(true);
    this.deaths++;
    this.answer.failAny(new CoordinatorDiedError(error));
    this.options.logger.error({ err: error }, 'coordinator died');
    if (!this.options.mayRestart()) return;
    this.start().then(
      () => this.options.logger.info('coordinator runs again'),
      // The death of the thread is handled when the thread exits, and starts another.
      () => {},
    );
    this.options.onRestarted();
    this.control.flush();
  }

  /** Posts mail, which the thread reads when the control ring says so. */
  post(mail: CoordinatorMail, port: Port): void {
    this.thread?.postMessage(mail, [port]);
    this.control.tellMail();
  }

  /** Makes the thread fail, for tests. */
  injectFault(fault: CoordinatorFault): void {
    this.thread?.postMessage({ type: 'fault', fault } satisfies CoordinatorMail);
    this.control.tellMail();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    this.control.tellStop();
    await this.exited;
  }

  /** Ends the thread at once, as a crash would. For tests of a crash. */
  async kill(): Promise<void> {
    await this.thread?.terminate();
  }
}

/** How long a state lasts, when that is known. */
function lasting({ atMs, untilMs }: { readonly atMs: number; readonly untilMs: number }): {
  forMs?: number;
} {
  return untilMs === 0 ? {} : { forMs: Math.round(untilMs - atMs) };
}
