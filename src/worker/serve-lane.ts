/**
 * Serves one lane until it is told to stop: what a worker does with the orders of its supervisor.
 *
 * Thread: worker. A mistake that nobody caught ends the thread, and the supervisor starts another.
 */

import { fail } from '../channel/thread-fault.js';
import type { SharedConfig } from '../config/shared/shared-config.js';
import type { LaneOrder, LaneReport, LaneTask } from './lane-task.js';
import { type WorkerHost, WorkerRuntime } from './worker-runtime.js';

/** The thread of a worker, and what it is called by others. */
export interface ServingHost extends WorkerHost {
  /** The operating system's id of the thread. */
  readonly osThreadId: number;
  /** Node's id of the thread. */
  readonly threadId: number;
}

/** Resolves when it was told to stop, and has. Rejects when the configuration cannot be used. */
export async function serveLane(task: LaneTask, host: ServingHost): Promise<void> {
  const { port } = task;
  const report = (message: LaneReport): void => port.postMessage(message);
  report({ type: 'begun', threadId: host.threadId });
  const runtime = await WorkerRuntime.create(task, host, (epoch) =>
    report({ type: 'released', epoch }),
  );
  const wake = (): void => runtime.onDoorbell();
  const wakePorts = [task.wakePort];
  task.wakePort.on('message', wake);
  let { doorbell } = task;
  doorbell.on('message', wake);
  const stopped = new Promise<void>((resolve) => {
    port.on('message', (order: LaneOrder) => {
      if (order.type === 'lane') {
        doorbell.close();
        doorbell = order.doorbell;
        doorbell.on('message', wake);
        runtime.changeLane(order.memory, doorbell);
      } else if (order.type === 'wakePort') {
        order.port.on('message', wake);
        wakePorts.push(order.port);
        runtime.onDoorbell();
      } else if (order.type === 'identity') {
        runtime.onIdentityNotice(order.notice);
      } else if (order.type === 'pluginStore') {
        runtime.onStoreAnswer(order.answer);
      } else if (order.type === 'closeTunnels') {
        runtime.closeTunnels(order.code, order.reason);
      } else if (order.type === 'targetsLeft') {
        runtime.dropLeftTargets();
      } else if (order.type === 'fault') {
        fail(order.fault);
      } else if (order.type === 'prepare') {
        void prepare(runtime, order.config, report);
      } else if (order.type === 'tryOut') {
        runtime.tryOut(order.epoch, order.percent);
      } else if (order.type === 'takeBack') {
        runtime.takeBack();
      } else if (order.type === 'commit') {
        if (runtime.commit(order.epoch)) report({ type: 'committed', epoch: order.epoch });
      } else {
        resolve();
      }
    });
  });
  const { osThreadId, threadId } = host;
  report({ type: 'ready', osThreadId, threadId });
  runtime.onDoorbell();
  await stopped;
  await runtime.stop();
  for (const wakePort of wakePorts) wakePort.close();
  doorbell.close();
  port.close();
}

async function prepare(
  runtime: WorkerRuntime,
  config: SharedConfig,
  report: (message: LaneReport) => void,
): Promise<void> {
  const { epoch } = config.settings;
  try {
    await runtime.prepare(config);
    report({ type: 'prepared', epoch });
  } catch (error) {
    report({ type: 'unprepared', epoch, reason: String(error) });
  }
}
