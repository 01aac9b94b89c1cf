/**
 * Entry of the coordinator's thread: builds the coordinator on the given memory and runs it.
 *
 * Thread: coordinator. Started by the supervisor with a CoordinatorThreadData; ends when the
 * control ring says stop, or with an exception, after which another may go on where it was.
 * Says what happened by posting to the main thread: it writes no log itself.
 */
import { randomBytes } from 'node:crypto';
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { assertNever, defined } from '../base/assert.js';
import { monotonicMs } from '../base/clock.js';
import { CoordinatorEnd } from '../channel/coordinator-end.js';
import type { CoordinatorMail, CoordinatorMessage } from '../channel/coordinator-messages.js';
import { osThreadId } from '../observability/os-thread-id.js';
import { AgentRunner } from './agent-runner.js';
import { Coordinator, type CoordinatorHost } from './coordinator.js';
import type { CoordinatorThreadData } from './coordinator-setup.js';

runCoordinator(defined(parentPort, 'the port to the main thread'), workerData);

function runCoordinator(mainPort: MessagePort, data: CoordinatorThreadData): void {
  const end = new CoordinatorEnd(data.memory);
  const host: CoordinatorHost = {
    onBreakerTransition: (change) => post(mainPort, { type: 'breaker', ...change }),
    onHealthTransition: (change) => post(mainPort, { type: 'health', ...change }),
    onMail: () => readMail(mainPort, end),
    onStop: () => runner.stop(),
  };
  const seed = randomBytes(4).readInt32LE();
  const runner = new AgentRunner(
    end,
    new Coordinator(data.config, data.memory, host, seed),
    monotonicMs,
  );
  data.wakePorts.forEach((port, lane) => {
    if (port !== null) end.setWakePort(lane, port);
  });
  end.status.beat(monotonicMs());
  post(mainPort, { type: 'started', osThreadId: osThreadId() });
  runner.run();
}

function readMail(mainPort: MessagePort, end: CoordinatorEnd): void {
  for (;;) {
    const received = receiveMessageOnPort(mainPort);
    if (received === undefined) return;
    const mail: CoordinatorMail = received.message;
    if (mail.type === 'wakePort') end.setWakePort(mail.lane, mail.port);
    else assertNever(mail.type);
  }
}

function post(mainPort: MessagePort, message: CoordinatorMessage): void {
  mainPort.postMessage(message);
}
