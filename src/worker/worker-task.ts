/**
 * What piscina loads: a task that serves one lane and never ends while the lane lives.
 *
 * Thread: worker. Ends when it is told to stop; a mistake that nobody caught ends the thread, and
 * the supervisor starts another.
 */
import { threadId } from 'node:worker_threads';
import { createThreadLogger } from '../observability/logger.js';
import { osThreadId } from '../observability/os-thread-id.js';
import { DOORBELL, type LaneOrder, type LaneReport, type LaneTask } from './lane-task.js';
import { WorkerRuntime } from './worker-runtime.js';

/** Serves the lane of the task; resolves when it was told to stop. */
export async function serveLane(task: LaneTask): Promise<void> {
  const { port, config } = task;
  const log = createThreadLogger(`worker-${task.lane}`, config.logging);
  const runtime = await WorkerRuntime.create(task, log);
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
      } else {
        resolve();
      }
    });
  });
  const report: LaneReport = { type: 'ready', osThreadId: osThreadId(), threadId };
  port.postMessage(report);
  runtime.onDoorbell();
  await stopped;
  await runtime.stop();
  for (const wakePort of wakePorts) wakePort.close();
  port.close();
  log.flush();
}
