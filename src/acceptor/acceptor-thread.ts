/**
 * Where the thread of an acceptor begins.
 *
 * Thread: acceptor. Clock, chance, log and engines of the thread are made here, and handed down.
 * uWebSockets.js never comes here: a thread that ends while it holds one of its handles takes the
 * process along.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { defined } from '../base/assert.js';
import { systemClock, systemRandom } from '../base/clock.js';
import { osThreadId } from '../observability/kernel-facts.js';
import { createThreadLogger } from '../observability/logger.js';
import type { AcceptorTask } from './acceptor-task.js';
import { wireEngines } from './net/wire-engines.js';
import { serveAcceptor } from './serve-acceptor.js';

const task = workerData as AcceptorTask;

serveAcceptor(task, {
  port: defined(parentPort ?? undefined, 'the port to the supervisor'),
  clock: systemClock,
  random: systemRandom,
  log: createThreadLogger(task.name, task.config.settings.logging, systemClock),
  engines: wireEngines(),
  osThreadId: osThreadId(),
});
