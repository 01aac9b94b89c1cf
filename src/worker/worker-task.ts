/**
 * What piscina loads: a task that serves one lane and never ends while the lane lives.
 *
 * Thread: worker. Ends when it is told to stop; a mistake that nobody caught ends the thread, and
 * the supervisor starts another.
 */
import { threadId } from 'node:worker_threads';
import { systemClock, systemRandom } from '../base/clock.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { osThreadId } from '../observability/kernel-facts.js';
import { createThreadLogger } from '../observability/logger.js';
import { fail } from './fault.js';
import { DOORBELL, type LaneOrder, type LaneReport, type LaneTask } from './lane-task.js';
import { WorkerRuntime } from './worker-runtime.js';

/** Serves the lane of the task; resolves when it was told to stop. */
export async function serveLane(task: LaneTask): Promise<void> {
  const { port, config } = task;
  const log = createThreadLogger(`worker-${task.lane}`, config.logging, systemClock);
  const report = (message: LaneReport): void => port.postMessage(message);
  const runtime = await WorkerRuntime.create(task, {
    log,
    clock: systemClock,
    random: systemRandom,
    onReleased: (epoch) => report({ type: 'released', epoch }),
  });
  const wake = (): void => runtime.onDoorbell();
  const wakePorts = [task.wakePort];
  task.wakePort.on('message', wake);
  const stopped = new Promise<void>((resolve) => {
    port.on('message', (order: LaneOrder) => {
      if (order === DOORBELL) {
        runtime.onDoorbell();
      } else if (order.type === 'wakePort') {
        order.port.on('message', wake);
        wakePorts.push(order.port);
        runtime.onDoorbell();
      } else if (order.type === 'identity') {
        runtime.onIdentityNotice(order.notice);
      } else if (order.type === 'fault') {
        fail(order.fault);
      } else if (order.type === 'prepare') {
        void prepare(runtime, order.config, report);
      } else if (order.type === 'commit') {
        if (runtime.commit(order.epoch)) report({ type: 'committed', epoch: order.epoch });
      } else {
        resolve();
      }
    });
  });
  report({ type: 'ready', osThreadId: osThreadId(), threadId });
  runtime.onDoorbell();
  await stopped;
  await runtime.stop();
  for (const wakePort of wakePorts) wakePort.close();
  port.close();
}

/** The task of a thread that is to stand by: loading this file is all that it does. */
export function warmUp(): void {}

async function prepare(
  runtime: WorkerRuntime,
  config: CompiledConfig,
  report: (message: LaneReport) => void,
): Promise<void> {
  const { epoch } = config;
  try {
    await runtime.prepare(config);
    report({ type: 'prepared', epoch });
  } catch (error) {
    report({ type: 'unprepared', epoch, reason: String(error) });
  }
}
