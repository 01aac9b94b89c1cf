/**
 * How the supervisor gets threads, and channels to them.
 *
 * Thread: supervisor. `Threads` hides everything that is real about threads: tests run the code
 * that watches over threads with simulated ones.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { AcceptorOrder, AcceptorReport, AcceptorTask } from '../acceptor/acceptor-task.js';
import type {
  CoordinatorMail,
  CoordinatorMessage,
} from '../channel/coordinator/coordinator-messages.js';
import type { Channel } from '../channel/port.js';
import type { StoreOrder, StoreReport } from '../channel/store/store-messages.js';
import type { CoordinatorThreadData } from '../coordinator/coordinator-setup.js';
import type { StoreTask } from '../store/store-task.js';
import type { LaneTask } from '../worker/lane-task.js';

/** The threads that serve lanes. */
export interface LaneThreads {
  /** Resolves when the worker has stopped after it was told to; rejects when its thread dies. */
  serve(task: LaneTask): Promise<void>;
  /** Ends the thread with this Node id at once. Resolves when it has ended. */
  terminate(threadId: number): Promise<void>;
  /**
   * Resolves when the thread with this Node id has ended, and runs nothing any more: that may be
   * after `serve` has rejected. Never, when it is not known by now.
   */
  whenEnded(threadId: number): Promise<void>;
  /**
   * Keeps one spare thread that has loaded its code. Does nothing while there is one. Rejects when
   * none could be started.
   */
  warmSpare(): Promise<void>;
  /** Calls the listener when a thread dies that serves no lane. */
  onIdleError(listener: (error: unknown) => void): void;
  /** Ends all threads. */
  close(): Promise<void>;
}

/** The thread of an acceptor. */
export interface AcceptorThread {
  postMessage(order: AcceptorOrder, transfer?: readonly object[]): void;
  /** Ends the thread at once. Resolves when it has ended. */
  terminate(): Promise<unknown>;
}

/** Gets the events of an acceptor's thread. */
export interface AcceptorListener {
  onReport(report: AcceptorReport): void;
  /** Called once, after everything else. The error says why, when that is known. */
  onEnded(error: unknown): void;
}

/** The thread of the coordinator. */
export interface CoordinatorThread {
  /** The thread reads the message when the control ring announces mail. */
  postMessage(mail: CoordinatorMail, transfer?: readonly object[]): void;
  /** Ends the thread at once. Resolves when it has ended. */
  terminate(): Promise<unknown>;
}

/** Gets the events of the coordinator's thread. */
export interface CoordinatorListener {
  onMessage(message: CoordinatorMessage): void;
  /** Called once, after everything else. The error says why, when that is known. */
  onEnded(error: unknown): void;
}

/** The thread that speaks with the store. */
export interface StoreThread {
  postMessage(order: StoreOrder, transfer?: readonly object[]): void;
  /** Ends the thread at once. Resolves when it has ended. */
  terminate(): Promise<unknown>;
}

/** Gets the events of the store's thread. */
export interface StoreListener {
  onReport(report: StoreReport): void;
  /** Called once, after everything else. The error says why, when that is known. */
  onEnded(error: unknown): void;
}

export interface Threads {
  readonly lanes: LaneThreads;
  startCoordinator(data: CoordinatorThreadData, listener: CoordinatorListener): CoordinatorThread;
  startAcceptor(task: AcceptorTask, listener: AcceptorListener): AcceptorThread;
  startStore(task: StoreTask, listener: StoreListener): StoreThread;
  newChannel<Down, Up>(): Channel<Down, Up>;
}

const ACCEPTOR_ENTRY = new URL('../acceptor/acceptor-thread.js', import.meta.url);
const STORE_ENTRY = new URL('../store/store-thread.js', import.meta.url);
const COORDINATOR_ENTRY = new URL('../coordinator/coordinator-thread.js', import.meta.url);

/** Real threads. */
export function systemThreads(lanes: LaneThreads): Threads {
  const newChannel = () => new MessageChannel();
  return { lanes, startCoordinator, startAcceptor, startStore, newChannel };
}

function startCoordinator(
  workerData: CoordinatorThreadData,
  listener: CoordinatorListener,
): CoordinatorThread {
  const thread = new Worker(COORDINATOR_ENTRY, { workerData, name: 'coordinator' });
  let failure: unknown = new Error('the coordinator ended');
  thread.on('message', (message: CoordinatorMessage) => listener.onMessage(message));
  thread.on('error', (error) => {
    failure = error;
  });
  thread.on('exit', () => listener.onEnded(failure));
  return thread;
}

function startAcceptor(workerData: AcceptorTask, listener: AcceptorListener): AcceptorThread {
  const { youngGenerationMb, workerHeapBytes } = workerData.config.settings.limits;
  const thread = new Worker(ACCEPTOR_ENTRY, {
    workerData,
    name: workerData.name,
    resourceLimits: {
      maxYoungGenerationSizeMb: youngGenerationMb,
      // A full heap ends its own thread and no other.
      ...(workerHeapBytes === 0 ? {} : { maxOldGenerationSizeMb: workerHeapBytes / 2 ** 20 }),
    },
  });
  let failure: unknown = new Error('the thread ended');
  thread.on('message', (report: AcceptorReport) => listener.onReport(report));
  thread.on('error', (error) => {
    failure = error;
  });
  thread.on('exit', () => listener.onEnded(failure));
  return thread as AcceptorThread;
}

function startStore(workerData: StoreTask, listener: StoreListener): StoreThread {
  const thread = new Worker(STORE_ENTRY, { workerData, name: 'store' });
  let failure: unknown = new Error('the thread ended');
  thread.on('message', (report: StoreReport) => listener.onReport(report));
  thread.on('error', (error) => {
    failure = error;
  });
  thread.on('exit', () => listener.onEnded(failure));
  return thread as StoreThread;
}
