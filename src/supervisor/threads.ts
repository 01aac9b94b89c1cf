/**
 * How the supervisor comes by threads, and by channels to them.
 *
 * Thread: supervisor. Everything that is real about threads is behind `Threads`: what watches over
 * them runs in tests with threads that are played.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type {
  CoordinatorMail,
  CoordinatorMessage,
} from '../channel/coordinator/coordinator-messages.js';
import type { Channel } from '../channel/port.js';
import type { CoordinatorThreadData } from '../coordinator/coordinator-setup.js';
import type { LaneTask } from '../worker/lane-task.js';

/** Threads that serve lanes. */
export interface LaneThreads {
  /** Resolves when the worker was told to stop, and has; rejects when its thread dies. */
  serve(task: LaneTask): Promise<void>;
  /** Ends a thread at once, by Node's id of it; resolves when it has ended. */
  terminate(threadId: number): Promise<void>;
  /** Keeps one thread more that has loaded its code. Does nothing while there is one. */
  warmSpare(): Promise<void>;
  /** Hears of threads that die while they serve no lane. */
  onIdleError(listener: (error: unknown) => void): void;
  /** Ends all of them. */
  close(): Promise<void>;
}

/** The thread of the coordinator. */
export interface CoordinatorThread {
  /** The thread reads it when the control ring says that there is mail. */
  postMessage(mail: CoordinatorMail, transfer?: readonly object[]): void;
  /** Ends it at once; resolves when it has ended. */
  terminate(): Promise<unknown>;
}

/** Hears of the coordinator's thread. */
export interface CoordinatorListener {
  onMessage(message: CoordinatorMessage): void;
  /** Once, after everything else. The error says why when it is known. */
  onEnded(error: unknown): void;
}

export interface Threads {
  readonly lanes: LaneThreads;
  startCoordinator(data: CoordinatorThreadData, listener: CoordinatorListener): CoordinatorThread;
  newChannel<Down, Up>(): Channel<Down, Up>;
}

const COORDINATOR_ENTRY = new URL('../coordinator/coordinator-thread.js', import.meta.url);

/** Real ones. */
export function systemThreads(lanes: LaneThreads): Threads {
  return { lanes, startCoordinator, newChannel: () => new MessageChannel() };
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
