/**
 * Threads that a test plays: what their supervisors start, tell and end is noted, and the test says
 * when a thread is ready, what it reports and how it ends. Messages arrive at once.
 */
import type { AcceptorOrder, AcceptorTask, AskName } from '../../src/acceptor/acceptor-task.js';
import type {
  CoordinatorMail,
  CoordinatorMessage,
} from '../../src/channel/coordinator/coordinator-messages.js';
import type { Channel, Port } from '../../src/channel/port.js';
import type { StoreOrder } from '../../src/channel/store/store-messages.js';
import type { CoordinatorThreadData } from '../../src/coordinator/coordinator-setup.js';
import type { StoreTask } from '../../src/store/store-task.js';
import type {
  AcceptorListener,
  AcceptorThread,
  CoordinatorListener,
  CoordinatorThread,
  LaneThreads,
  StoreListener,
  StoreThread,
  Threads,
} from '../../src/supervisor/threads.js';
import type { LaneOrder, LaneReport, LaneTask } from '../../src/worker/lane-task.js';

/** One end of a channel; what comes before anybody listens waits. */
class FakePort implements Port {
  peer: FakePort | null = null;
  isClosed = false;
  private readonly waiting: unknown[] = [];
  private listener: ((message: never) => void) | null = null;

  postMessage(message: unknown): void {
    if (!this.isClosed) this.peer?.receive(message);
  }

  private receive(message: unknown): void {
    if (this.isClosed) return;
    if (this.listener === null) this.waiting.push(message);
    else this.listener(message as never);
  }

  on(_event: 'message', listener: (message: never) => void): void {
    this.listener = listener;
    for (const message of this.waiting.splice(0)) listener(message as never);
  }

  close(): void {
    this.isClosed = true;
  }
}

/** A worker that serves a lane, as far as its supervisor can tell. */
export class FakeWorker {
  /** What it was told, in order. */
  readonly orders: LaneOrder[] = [];
  /** Its thread ends when the test says so. */
  exit: () => void = () => {};
  readonly exited = new Promise<void>((resolve) => {
    this.exit = resolve;
  });

  constructor(
    readonly task: LaneTask,
    readonly threadId: number,
    private readonly settle: {
      readonly resolve: () => void;
      readonly reject: (error: unknown) => void;
    },
  ) {
    task.port.on('message', (order) => this.orders.push(order));
  }

  /** Types of the orders. */
  get told(): string[] {
    return this.orders.map(({ type }) => type);
  }

  report(report: LaneReport): void {
    this.task.port.postMessage(report);
  }

  ready(): void {
    this.report({ type: 'begun', threadId: this.threadId });
    this.report({ type: 'ready', osThreadId: 0, threadId: this.threadId });
  }

  /** It has stopped as it was told to. */
  end(): void {
    this.settle.resolve();
  }

  die(error: unknown = new Error('died')): void {
    this.settle.reject(error);
  }
}

export class FakeCoordinator implements CoordinatorThread {
  readonly mail: CoordinatorMail[] = [];
  isTerminated = false;

  constructor(
    readonly data: CoordinatorThreadData,
    private readonly listener: CoordinatorListener,
  ) {}

  postMessage(mail: CoordinatorMail): void {
    this.mail.push(mail);
  }

  /** Its end comes when the test says so. */
  terminate(): Promise<void> {
    this.isTerminated = true;
    return Promise.resolve();
  }

  say(message: CoordinatorMessage): void {
    this.listener.onMessage(message);
  }

  started(): void {
    this.say({ type: 'started', osThreadId: 0 });
  }

  end(error: unknown = new Error('the coordinator ended')): void {
    this.listener.onEnded(error);
  }
}

/** An acceptor in a thread, as far as its supervisor can tell. */
export class FakeAcceptor implements AcceptorThread {
  readonly orders: AcceptorOrder[] = [];
  isTerminated = false;

  constructor(
    readonly task: AcceptorTask,
    private readonly listener: AcceptorListener,
  ) {}

  postMessage(order: AcceptorOrder): void {
    this.orders.push(order);
  }

  /** Its end comes when the test says so. */
  terminate(): Promise<void> {
    this.isTerminated = true;
    return Promise.resolve();
  }

  /** What it was told, in order; of asks their names. */
  get told(): string[] {
    return this.orders.map((order) => (order.type === 'ask' ? order.name : order.type));
  }

  started(): void {
    this.listener.onReport({ type: 'started', osThreadId: 0 });
  }

  /** Answers the last ask of this name. */
  answer(name: AskName, answer: unknown): void {
    this.listener.onReport({ type: 'answer', number: this.numberOf(name), answer });
  }

  refuse(name: AskName, reason: string, isStartupError = false): void {
    this.listener.onReport({
      ...{ type: 'refusal', number: this.numberOf(name) },
      ...{ reason, isStartupError },
    });
  }

  end(error: unknown = new Error('the thread ended')): void {
    this.listener.onEnded(error);
  }

  private numberOf(name: AskName): number {
    const asked = this.orders.findLast((order) => order.type === 'ask' && order.name === name);
    if (asked?.type !== 'ask') throw new Error(`nobody has asked for ${name}`);
    return asked.number;
  }
}

/** The thread that speaks with the store, as far as its supervisor can tell. */
export class FakeStore implements StoreThread {
  readonly orders: StoreOrder[] = [];
  isTerminated = false;

  constructor(
    readonly task: StoreTask,
    readonly listener: StoreListener,
  ) {}

  postMessage(order: StoreOrder): void {
    this.orders.push(order);
  }

  /** Its end comes when the test says so. */
  terminate(): Promise<void> {
    this.isTerminated = true;
    return Promise.resolve();
  }
}

export class FakeThreads implements Threads {
  /** All that were started, the newest last. */
  readonly workers: FakeWorker[] = [];
  readonly coordinators: FakeCoordinator[] = [];
  readonly acceptors: FakeAcceptor[] = [];
  readonly stores: FakeStore[] = [];
  /** Node's ids of the threads that were ended. */
  readonly terminated: number[] = [];
  spares = 0;
  /** Why no spare thread can be started; null: one can. */
  spareFailure: Error | null = null;
  /** A thread that serves no lane has died. */
  onIdleError: (error: unknown) => void = () => {};
  isClosed = false;

  readonly lanes: LaneThreads = {
    serve: (task) =>
      new Promise((resolve, reject) => {
        const threadId = this.workers.length + 1;
        this.workers.push(new FakeWorker(task, threadId, { resolve, reject }));
      }),
    terminate: (threadId) => {
      this.terminated.push(threadId);
      return Promise.resolve();
    },
    whenEnded: (threadId) => {
      const worker = this.workers[threadId - 1];
      return worker?.exited ?? Promise.reject(new Error('no such thread'));
    },
    warmSpare: () => {
      this.spares += 1;
      const { spareFailure } = this;
      return spareFailure === null ? Promise.resolve() : Promise.reject(spareFailure);
    },
    onIdleError: (listener) => {
      this.onIdleError = listener;
    },
    close: () => {
      this.isClosed = true;
      return Promise.resolve();
    },
  };

  newChannel<Down, Up>(): Channel<Down, Up> {
    const port1 = new FakePort();
    const port2 = new FakePort();
    port1.peer = port2;
    port2.peer = port1;
    return { port1: port1 as Port<Up, Down>, port2: port2 as Port<Down, Up> };
  }

  startCoordinator(data: CoordinatorThreadData, listener: CoordinatorListener): CoordinatorThread {
    const thread = new FakeCoordinator(data, listener);
    this.coordinators.push(thread);
    return thread;
  }

  startAcceptor(task: AcceptorTask, listener: AcceptorListener): AcceptorThread {
    const thread = new FakeAcceptor(task, listener);
    this.acceptors.push(thread);
    return thread;
  }

  startStore(task: StoreTask, listener: StoreListener): StoreThread {
    const thread = new FakeStore(task, listener);
    this.stores.push(thread);
    return thread;
  }

  /** The worker that was started last, or the last one of a lane. */
  worker(lane?: number): FakeWorker {
    const found = this.workers.findLast(({ task }) => lane === undefined || task.lane === lane);
    if (found === undefined) throw new Error('no worker was started');
    return found;
  }

  /** The last one of its place. */
  acceptor(place = 0): FakeAcceptor {
    const found = this.acceptors.findLast(({ task }) => task.acceptor === place);
    if (found === undefined) throw new Error('no acceptor was started');
    return found;
  }

  get coordinator(): FakeCoordinator {
    const found = this.coordinators.at(-1);
    if (found === undefined) throw new Error('no coordinator was started');
    return found;
  }
}

/** Until everybody who waits for a promise has gone on. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** What became of a promise so far. */
export function fateOf(promise: Promise<unknown>): { state: string } {
  const fate = { state: 'waits' };
  promise.then(
    () => {
      fate.state = 'resolved';
    },
    (error: unknown) => {
      fate.state = `rejected: ${error instanceof Error ? error.message : error}`;
    },
  );
  return fate;
}
