/**
 * Entry of the coordinator's thread: makes its clock and its chance, and runs its agent.
 *
 * Thread: coordinator. Started by the supervisor with a CoordinatorThreadData. It ends when the
 * control ring says stop, or with an exception; another thread may then go on from the same memory.
 */
import { randomBytes } from 'node:crypto';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { defined } from '../base/assert.js';
import { systemClock } from '../base/clock.js';
import { osThreadId } from '../observability/kernel-facts.js';
import { createAgent } from './coordinator-agent.js';
import type { CoordinatorThreadData } from './coordinator-setup.js';

const mainPort = defined(parentPort, 'the port to the main thread');
const data: CoordinatorThreadData = workerData;

createAgent(data, {
  nowMs: systemClock.nowMs,
  unixMs: systemClock.unixMs,
  seed: randomBytes(4).readInt32LE(),
  osThreadId: osThreadId(),
  post: (message) => mainPort.postMessage(message),
  nextMail: () => receiveMessageOnPort(mainPort)?.message,
}).run();
