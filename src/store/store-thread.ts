/**
 * Entry of the store's thread: makes its clock and its connection, and runs its agent.
 *
 * Thread: store. Started by the supervisor where a store is configured, with a StoreTask. ioredis
 * is loaded in this thread and in no other.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assertNever, defined } from '../base/assert.js';
import { systemClock } from '../base/clock.js';
import type { Port } from '../channel/port.js';
import { StoreAnswerer } from '../channel/store/store-channel.js';
import type { StoreOrder, StoreReport } from '../channel/store/store-messages.js';
import { fail } from '../channel/thread-fault.js';
import { osThreadId } from '../observability/kernel-facts.js';
import { createClient, createPatientClient } from './redis-client.js';
import { StoreAgent } from './store-agent.js';
import { StoreCommands } from './store-commands.js';
import { StoreFeed } from './store-feed.js';
import type { StoreTask } from './store-task.js';

const TICK_MS = 100;

const mainPort = defined(parentPort, 'the port to the main thread');
const { config, memory, nodeId, nodeName } = workerData as StoreTask;
const report = (message: StoreReport): void => mainPort.postMessage(message);

const answerer = new StoreAnswerer(memory);
const client = createClient(config);
const agent = new StoreAgent({
  ...{ config, nodeId, report, clock: systemClock, answerer, client },
});
const commands = new StoreCommands({
  ...{ clock: systemClock, report, createClient: () => createPatientClient(config) },
  isUp: () => agent.isUp,
  count: (name) => answerer.status.count(name, 1),
});
systemClock.every(TICK_MS, () => agent.onTick());
let wakePort: Port | null = null;
let feed: StoreFeed | null = null;

mainPort.on('message', (order: StoreOrder) => {
  switch (order.type) {
    case 'wakePort':
      wakePort?.close();
      wakePort = order.port;
      wakePort.on('message', () => agent.onWake());
      return;
    case 'run':
      commands.onRun(order);
      return;
    case 'follow':
      feed ??= startFeed();
      return;
    case 'fault':
      fail(order.fault);
      return;
    case 'stop':
      wakePort?.close();
      commands.stop();
      void stop();
      return;
    default:
      assertNever(order);
  }
});
report({ type: 'started', osThreadId: osThreadId() });

async function stop(): Promise<void> {
  await feed?.leave(client);
  await agent.stop();
  mainPort.close();
}

function startFeed(): StoreFeed {
  const started = new StoreFeed({
    ...{ config, nodeName, report, clock: systemClock, client: createPatientClient(config) },
    count: (name) => answerer.status.count(name, 1),
  });
  // It ends with the thread; an error here is a mistake of ours, and ends the thread.
  void started.follow();
  return started;
}
