/**
 * What piscina loads: a task that serves one lane and never ends while the lane lives.
 *
 * Thread: worker. Clock, chance and connections of the thread are made here, and handed down.
 */
import { randomBytes } from 'node:crypto';
import { threadId } from 'node:worker_threads';
import { systemClock, systemRandom } from '../base/clock.js';
import { osThreadId } from '../observability/kernel-facts.js';
import { createThreadLogger } from '../observability/logger.js';
import type { LaneTask } from './lane-task.js';
import { serveLane as serveLaneOn } from './serve-lane.js';
import { connectionsTo } from './upstream/upstream-connections.js';

/** Serves the lane of the task; resolves when it was told to stop. */
export function serveLane(task: LaneTask): Promise<void> {
  return serveLaneOn(task, {
    log: createThreadLogger(`worker-${task.lane}`, task.config.settings.logging, systemClock),
    clock: systemClock,
    random: systemRandom,
    requestIdPrefix: randomBytes(6).toString('hex'),
    connect: connectionsTo,
    osThreadId: osThreadId(),
    threadId,
  });
}

/** The task of a thread that is to stand by: loading this file is all that it does. */
export function warmUp(): void {}
