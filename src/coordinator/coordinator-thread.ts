/**
 * Entry of the coordinator's thread: builds the coordinator on the given memory and runs it.
 *
 * Thread: coordinator. Started by the supervisor with a CoordinatorThreadData. It ends when the
 * control ring says stop, or with an exception; another thread may then go on from the same memory.
 * It reports events by posting to the main thread, and writes no log itself.
 */
import { randomBytes } from 'node:crypto';
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { assertNever, defined } from '../base/assert.js';
import { systemClock } from '../base/clock.js';
import { CoordinatorEnd } from '../channel/coordinator/coordinator-end.js';
import type {
  CoordinatorFault,
  CoordinatorMail,
  CoordinatorMessage,
} from '../channel/coordinator/coordinator-messages.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { osThreadId } from '../observability/kernel-facts.js';
import { AgentRunner } from './agent-runner.js';
import { Coordinator, type CoordinatorHost } from './coordinator.js';
import type { CoordinatorThreadData } from './coordinator-setup.js';

runCoordinator(defined(parentPort, 'the port to the main thread'), workerData);

function runCoordinator(mainPort: MessagePort, data: CoordinatorThreadData): void {
  const { memory } = data;
  const end = new CoordinatorEnd(memory);
  const host: CoordinatorHost = {
    onBreakerTransition: (change) => post(mainPort, { type: 'breaker', ...change }),
    onHealthTransition: (change) => post(mainPort, { type: 'health', ...change }),
    onMail: () => readMail(mainPort, end, onConfig),
    onStop: () => runner.stop(),
  };
  const coordinator = new Coordinator(data.config, memory, host, randomBytes(4).readInt32LE());
  const runner = new AgentRunner(end, coordinator, systemClock.nowMs);
  // The asks and tells in the rings were made under the old configuration, so they are handled
  // first.
  const onConfig = (config: CompiledConfig): void =>
    runner.runAfterRings(() => {
      coordinator.adopt(config);
      post(mainPort, { type: 'configured', epoch: config.epoch });
    });
  data.wakePorts.forEach((port, lane) => {
    if (port !== null) end.setWakePort(lane, port);
  });
  end.status.beat(systemClock.nowMs());
  post(mainPort, { type: 'started', osThreadId: osThreadId() });
  runner.run();
}

function readMail(
  mainPort: MessagePort,
  end: CoordinatorEnd,
  onConfig: (config: CompiledConfig) => void,
): void {
  for (;;) {
    const received = receiveMessageOnPort(mainPort);
    if (received === undefined) return;
    const mail: CoordinatorMail<CompiledConfig> = received.message;
    if (mail.type === 'wakePort') end.setWakePort(mail.lane, mail.port);
    else if (mail.type === 'fault') fail(mail.fault);
    else if (mail.type === 'config') onConfig(mail.config);
    else assertNever(mail);
  }
}

function fail(fault: CoordinatorFault): never {
  if (fault === 'crash') throw new Error('injected fault: crash');
  for (;;);
}

function post(mainPort: MessagePort, message: CoordinatorMessage): void {
  mainPort.postMessage(message);
}
