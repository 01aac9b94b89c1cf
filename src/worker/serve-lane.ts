/**
 * Serves one lane until it is told to stop: what a worker does with the orders of its supervisor.
 *
 * Thread: worker. A mistake that nobody caught ends the thread, and the supervisor starts another.
 */
import { assertNever } from '../base/assert.js';
import { fail } from '../channel/thread-fault.js';
import type { SharedConfig } from '../config/shared/shared-config.js';
import type { LaneOrder, LaneReport, LaneTask } from './lane-task.js';
import { WorkerPlugins } from './plugins/worker-plugins.js';
import { type WorkerHost, WorkerRuntime } from './worker-runtime.js';

/** The thread of a worker, and what it is called by others. */
export interface ServingHost extends WorkerHost {
  /** The operating system's id of the thread. */
  readonly osThreadId: number;
  /** Node's id of the thread. */
  readonly threadId: number;
}

type ServedOrder = Exclude<LaneOrder, { readonly type: 'pluginStore' | 'pluginCall' }>;
type RuntimeOrder = Exclude<ServedOrder, { readonly type: 'lane' | 'wakePort' | 'stop' }>;

/** Resolves when it was told to stop, and has. Rejects when the configuration cannot be used. */
export async function serveLane(task: LaneTask, host: ServingHost): Promise<void> {
  const { port } = task;
  const report = (message: LaneReport): void => port.postMessage(message);
  report({ type: 'begun', threadId: host.threadId });
  const plugins = new WorkerPlugins(task, host);
  // A plugin may ask something as it is set up; orders wait until there is somebody to obey them.
  const early: ServedOrder[] = [];
  let obey = (order: ServedOrder): void => void early.push(order);
  const onMessage = (order: LaneOrder): void => {
    if (order.type === 'pluginStore') plugins.onStoreAnswer(order.answer);
    else if (order.type === 'pluginCall') plugins.onProgramAnswer(order.answer);
    else obey(order);
  };
  port.on('message', onMessage);
  const runtime = await WorkerRuntime.create(task, host, {
    plugins,
    onReleased: (epoch) => report({ type: 'released', epoch }),
  }).catch((error: unknown) => {
    port.close();
    throw error;
  });
  const wake = (): void => runtime.onDoorbell();
  let { doorbell, wakePort, memory } = task;
  wakePort.on('message', wake);
  doorbell.on('message', wake);
  const stopped = new Promise<void>((resolve) => {
    obey = (order) => {
      if (order.type === 'lane') {
        doorbell.close();
        doorbell = order.doorbell;
        doorbell.on('message', wake);
        const { generation } = memory;
        memory = order.memory;
        runtime.changeLane(memory, doorbell, () => report({ type: 'left', generation }));
      } else if (order.type === 'wakePort') {
        wakePort.close();
        wakePort = order.port;
        wakePort.on('message', wake);
        runtime.onDoorbell();
      } else if (order.type === 'stop') {
        resolve();
      } else {
        carryOut(order, runtime, report);
      }
    };
    for (const order of early.splice(0)) obey(order);
  });
  const { osThreadId, threadId } = host;
  report({ type: 'ready', osThreadId, threadId });
  runtime.onDoorbell();
  await stopped;
  await runtime.stop();
  wakePort.close();
  doorbell.close();
  port.close();
}

function carryOut(
  order: RuntimeOrder,
  runtime: WorkerRuntime,
  report: (message: LaneReport) => void,
): void {
  switch (order.type) {
    case 'identity':
      runtime.onIdentityNotice(order.notice);
      break;
    case 'closeTunnels':
      runtime.closeTunnels(order.code, order.reason);
      break;
    case 'targetsLeft':
      runtime.dropLeftTargets();
      break;
    case 'fault':
      fail(order.fault);
      break;
    case 'prepare':
      void prepare(runtime, order.config, report);
      break;
    case 'tryOut':
      runtime.tryOut(order.epoch, order.percent);
      break;
    case 'takeBack':
      runtime.takeBack();
      break;
    case 'commit':
      if (runtime.commit(order.epoch)) report({ type: 'committed', epoch: order.epoch });
      break;
    default:
      assertNever(order);
  }
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
