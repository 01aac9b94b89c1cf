/**
 * The threads of a gateway, played: what serves a lane and what decides are the real ones, each on
 * a clock of its own, and they start, die and hang when the history says so.
 */
import type {
  CoordinatorMail,
  CoordinatorMessage,
} from '../../../src/channel/coordinator/coordinator-messages.js';
import type { Channel } from '../../../src/channel/port.js';
import type { SharedConfig } from '../../../src/config/shared/shared-config.js';
import type { AgentRunner } from '../../../src/coordinator/agent-runner.js';
import { PARK_MS_MAX } from '../../../src/coordinator/agent-runner.js';
import { createAgent } from '../../../src/coordinator/coordinator-agent.js';
import type { CoordinatorThreadData } from '../../../src/coordinator/coordinator-setup.js';
import type { ThreadLogger } from '../../../src/observability/logger.js';
import type {
  CoordinatorListener,
  CoordinatorThread,
  LaneThreads,
  Threads,
} from '../../../src/supervisor/threads.js';
import type { LaneTask } from '../../../src/worker/lane-task.js';
import { serveLane } from '../../../src/worker/serve-lane.js';
import type { ConnectTarget } from '../../../src/worker/upstream/upstream-connections.js';
import type { FakeTime } from '../../support/fake-clock.js';
import type { SimRandom } from '../seeds.js';
import { ThreadKilled, WriteFuse } from '../write-fuse.js';
import { type Actor, PlayedPort, PlayedThread } from './played-thread.js';

/** What threads need of the world that they are in. */
export interface ThreadsWorld {
  readonly time: FakeTime;
  readonly random: SimRandom;
  /** The main thread. */
  readonly main: PlayedThread;
  readonly isFused: boolean;
  add(actor: Actor): void;
  log(thread: string): ThreadLogger;
  connectFrom(thread: PlayedThread): ConnectTarget;
  onKilled(thread: PlayedThread): void;
}

/** Something that happens once, at a moment of the scheduler's choice. */
class Once implements Actor {
  isReady = true;
  isGone = false;
  readonly nextDueMs = Number.POSITIVE_INFINITY;

  constructor(private readonly happen: () => void | Promise<void>) {}

  step(): void | Promise<void> {
    this.isReady = false;
    this.isGone = true;
    return this.happen();
  }
}

export class PlayedWorker extends PlayedThread {
  constructor(
    readonly threadId: number,
    readonly lane: number,
    time: FakeTime,
  ) {
    super(`worker-${lane}`, time);
  }
}

export class PlayedCoordinator extends PlayedThread implements CoordinatorThread {
  runner: AgentRunner | null = null;
  private readonly mail: CoordinatorMail[] = [];
  private ranMs = 0;

  constructor(
    time: FakeTime,
    private readonly world: ThreadsWorld,
    private readonly fuse: WriteFuse,
    private readonly listener: CoordinatorListener,
  ) {
    super('coordinator', time);
  }

  postMessage(mail: CoordinatorMail, transfer: readonly object[] = []): void {
    for (const port of transfer) (port as PlayedPort).owner = this;
    this.mail.push(mail);
  }

  start(data: CoordinatorThreadData): void {
    this.attempt(() => {
      const { isFused, random } = this.world;
      const make = (): AgentRunner =>
        createAgent(data, {
          nowMs: this.clock.nowMs,
          unixMs: this.clock.unixMs,
          seed: random.below(2 ** 31),
          osThreadId: 0,
          post: (message) => this.post(message),
          nextMail: () => this.mail.shift() as CoordinatorMail<SharedConfig> | undefined,
        });
      // Watching every write takes its time: only where one may be the last.
      this.runner = isFused ? this.fuse.watch(make) : make();
    });
  }

  private post(message: CoordinatorMessage): void {
    this.world.add(
      new Once(() => {
        this.listener.onMessage(message);
      }),
    );
  }

  /** It sleeps until somebody wakes it, or its time is over; which of them is all the same here. */
  override get isReady(): boolean {
    return this.isRunning && this.runner !== null && this.clock.time.ms >= this.ranMs;
  }

  override get nextDueMs(): number {
    return this.isRunning && this.runner !== null
      ? this.ranMs + PARK_MS_MAX
      : Number.POSITIVE_INFINITY;
  }

  override step(): void {
    this.ranMs = this.clock.time.ms + 0.01;
    this.attempt(() => this.runner?.runOnce());
  }

  /** It is killed by the fuse after this many more writes to shared memory. */
  burnAfter(writes: number): void {
    this.fuse.writes = 0;
    this.fuse.writesMax = writes;
  }

  private attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof ThreadKilled)) throw error;
      this.die(error);
    }
  }

  terminate(): Promise<void> {
    this.die(new Error('terminated'));
    return Promise.resolve();
  }

  private die(error: unknown): void {
    if (this.isDead) return;
    this.isDead = true;
    this.world.add(
      new Once(() => {
        this.listener.onEnded(error);
      }),
    );
  }
}

export class PlayedThreads implements Threads {
  /** Those that run. */
  workers: PlayedWorker[] = [];
  coordinator: PlayedCoordinator | null = null;
  private threadIds = 0;
  private readonly exits = new Map<PlayedWorker, (error: unknown) => void>();

  constructor(private readonly world: ThreadsWorld) {}

  readonly lanes: LaneThreads = {
    serve: (task) => this.serve(task),
    terminate: (threadId) => this.terminate(threadId),
    whenEnded: (threadId) => this.whenEnded(threadId),
    warmSpare: () => Promise.resolve(),
    onIdleError: () => {},
    close: () => Promise.resolve(),
  };

  newChannel<Down, Up>(): Channel<Down, Up> {
    return PlayedPort.pair<Down, Up>(this.world.main, (port) => this.world.add(port));
  }

  startCoordinator(data: CoordinatorThreadData, listener: CoordinatorListener): CoordinatorThread {
    const { world } = this;
    const thread = new PlayedCoordinator(world.time, world, new WriteFuse(), listener);
    this.coordinator = thread;
    world.add(thread);
    world.add(new Once(() => thread.start(data)));
    return thread;
  }

  /** Here the acceptor is on the main thread. */
  startAcceptor(): never {
    throw new Error('no acceptor has a thread of its own');
  }

  /** What is played here is configured without a store. */
  startStore(): never {
    throw new Error('there is no store');
  }

  private serve(task: LaneTask): Promise<void> {
    const { world } = this;
    this.threadIds += 1;
    const worker = new PlayedWorker(this.threadIds, task.lane, world.time);
    for (const port of [task.port, task.doorbell, task.wakePort])
      (port as PlayedPort).owner = worker;
    this.workers.push(worker);
    world.add(worker);
    return new Promise((resolve, reject) => {
      this.exits.set(worker, reject);
      world.add(
        new Once(async () => {
          if (worker.isDead) return;
          const { ready, served } = this.start(worker, task);
          served.then(resolve, reject);
          await ready;
        }),
      );
    });
  }

  /** `ready`: it serves, or has failed to. */
  private start(
    worker: PlayedWorker,
    task: LaneTask,
  ): { readonly ready: Promise<void>; readonly served: Promise<void> } {
    const { world } = this;
    let onReady: () => void = () => {};
    const ready = new Promise<void>((resolve) => {
      onReady = resolve;
    });
    const { port } = task;
    const watched: LaneTask['port'] = {
      postMessage: (message, transfer) => {
        port.postMessage(message, transfer);
        onReady();
      },
      on: (event, listener) => port.on(event, listener),
      close: () => port.close(),
    };
    const served = serveLane(
      { ...task, port: watched },
      {
        log: world.log(worker.name),
        clock: worker.clock,
        random: () => world.random.next(),
        requestIdPrefix: `thread${worker.threadId}`,
        connect: world.connectFrom(worker),
        osThreadId: 0,
        threadId: worker.threadId,
      },
    );
    served.catch(() => onReady());
    return { ready, served };
  }

  /** The main thread hears of it at the same time as of what its task came to. */
  private whenEnded(threadId: number): Promise<void> {
    const worker = this.workers.find((one) => one.threadId === threadId);
    const exit = worker === undefined ? undefined : this.exits.get(worker);
    return new Promise((resolve) => {
      if (worker === undefined || exit === undefined) return;
      this.exits.set(worker, (error) => {
        exit(error);
        resolve();
      });
    });
  }

  private terminate(threadId: number): Promise<void> {
    const worker = this.workers.find((one) => one.threadId === threadId);
    if (worker !== undefined) this.kill(worker);
    return Promise.resolve();
  }

  /** As a crash would; the main thread hears of it some time later. */
  kill(worker: PlayedWorker): void {
    if (worker.isDead) return;
    worker.isDead = true;
    this.workers = this.workers.filter((one) => one !== worker);
    this.world.onKilled(worker);
    const exit = this.exits.get(worker);
    this.exits.delete(worker);
    this.world.add(new Once(() => exit?.(new Error('killed'))));
  }
}
