/**
 * The coordinator with its end of the rings, its mail and its duty cycle.
 *
 * Thread: coordinator. It reports events by posting to the main thread, and writes no log itself.
 */
import { assertNever } from '../base/assert.js';
import { CoordinatorEnd } from '../channel/coordinator/coordinator-end.js';
import type {
  CoordinatorFault,
  CoordinatorMail,
  CoordinatorMessage,
} from '../channel/coordinator/coordinator-messages.js';
import { openConfig, type SharedConfig } from '../config/shared/shared-config.js';
import { type UnitedConfig, uniteConfigs } from '../config/shared/unite-configs.js';
import { AgentRunner } from './agent-runner.js';
import { Coordinator, type CoordinatorHost } from './coordinator.js';
import type { CoordinatorThreadData } from './coordinator-setup.js';

/** The thread that a coordinator runs on. */
export interface AgentHost {
  nowMs(): number;
  /** What is left to chance follows from it. */
  readonly seed: number;
  /** The operating system's id of the thread. */
  readonly osThreadId: number;
  post(message: CoordinatorMessage): void;
  /** The next letter from the main thread; undefined: there is none. */
  nextMail(): CoordinatorMail<SharedConfig> | undefined;
}

/** Builds the coordinator on the given memory and says that it has started. */
export function createAgent(data: CoordinatorThreadData, host: AgentHost): AgentRunner {
  const { memory } = data;
  const end = new CoordinatorEnd(memory);
  const coordinatorHost: CoordinatorHost = {
    onBreakerTransition: (change) => host.post({ type: 'breaker', ...change }),
    onHealthTransition: (change) => host.post({ type: 'health', ...change }),
    onMail: () => readMail(host, end, onConfigs),
    onStop: () => runner.stop(),
  };
  const coordinator = new Coordinator(unitedOf(data.configs), memory, coordinatorHost, host.seed);
  const runner = new AgentRunner(end, coordinator, host.nowMs);
  // The asks and tells in the rings were made under the old configuration, so they are handled
  // first.
  const onConfigs = (configs: readonly SharedConfig[]): void =>
    runner.runAfterRings(() => {
      const config = unitedOf(configs);
      coordinator.adopt(config);
      host.post({ type: 'configured', epoch: config.epoch });
    });
  data.wakePorts.forEach((port, lane) => {
    if (port !== null) end.setWakePort(lane, port);
  });
  end.status.beat(host.nowMs());
  host.post({ type: 'started', osThreadId: host.osThreadId });
  return runner;
}

function readMail(
  host: AgentHost,
  end: CoordinatorEnd,
  onConfigs: (configs: readonly SharedConfig[]) => void,
): void {
  for (let mail = host.nextMail(); mail !== undefined; mail = host.nextMail()) {
    if (mail.type === 'wakePort') end.setWakePort(mail.lane, mail.port);
    else if (mail.type === 'fault') fail(mail.fault);
    else if (mail.type === 'configs') onConfigs(mail.configs);
    else assertNever(mail);
  }
}

/** `configs`: the last one is in force. */
function unitedOf(configs: readonly SharedConfig[]): UnitedConfig {
  return uniteConfigs(configs.map(openConfig));
}

function fail(fault: CoordinatorFault): never {
  if (fault === 'crash') throw new Error('injected fault: crash');
  for (;;);
}
