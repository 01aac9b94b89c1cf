/**
 * The coordinator with its end of the rings, its mail and its duty cycle.
 *
 * Thread: coordinator. It reports events by posting to the main thread, and writes no log itself.
 */
import { assertNever } from '../base/assert.js';
import { DroppedMemory } from '../base/dropped-memory.js';
import { CoordinatorEnd } from '../channel/coordinator/coordinator-end.js';
import type {
  CoordinatorFault,
  CoordinatorMail,
  CoordinatorMessage,
} from '../channel/coordinator/coordinator-messages.js';
import { StoreAsker } from '../channel/store/store-channel.js';
import {
  openConfig,
  type ServedConfig,
  type SharedConfig,
  sharedBytesOf,
} from '../config/shared/shared-config.js';
import { type UnitedConfig, uniteConfigs } from '../config/shared/unite-configs.js';
import { AgentRunner } from './agent-runner.js';
import { ClusterLimits } from './cluster-limits.js';
import { Coordinator, type CoordinatorHost } from './coordinator.js';
import type { CoordinatorThreadData } from './coordinator-setup.js';

/** The thread that a coordinator runs on. */
export interface AgentHost {
  nowMs(): number;
  unixMs(): number;
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
  const configs = data.configs.map(openConfig);
  const store = data.storeMemory === null ? null : new StoreAsker(data.storeMemory);
  const cluster = store === null ? null : clusterLimits(store, configs, host.unixMs);
  if (store !== null) end.alsoWakesFor(() => store.hasAnswers());
  const coordinatorHost: CoordinatorHost = {
    onBreakerTransition: (change) => host.post({ type: 'breaker', ...change }),
    onHealthTransition: (change) => host.post({ type: 'health', ...change }),
    rollouts: { onRolloutChange: (change) => host.post({ type: 'rollout', ...change }) },
    onMail: () => readMail(host, { end, store, onRolloutOrder }, onConfigs),
    ...(cluster !== null && { deferral: { outside: cluster, replies: end }, cluster }),
    onStop: () => runner.stop(),
  };
  const coordinator = new Coordinator(uniteConfigs(configs), memory, coordinatorHost, host.seed);
  const runner = new AgentRunner(end, coordinator, host.nowMs);
  const dropped = new DroppedMemory();
  // The asks and tells in the rings were made under the old configuration, so they are handled
  // first.
  const onConfigs = (configs: readonly SharedConfig[]): void =>
    runner.runAfterRings(() => {
      const config = unitedOf(configs);
      dropped.replacedBy(configs.reduce((most, one) => Math.max(most, sharedBytesOf(one)), 0));
      coordinator.adopt(config);
      host.post({ type: 'configured', epoch: config.epoch });
    });
  const onRolloutOrder = (): void => coordinator.onRolloutOrder();
  data.wakePorts.forEach((port, lane) => {
    if (port !== null) end.setWakePort(lane, port);
  });
  end.status.beat(host.nowMs());
  host.post({ type: 'started', osThreadId: host.osThreadId });
  return runner;
}

/** Whom letters are for. */
interface MailReaders {
  readonly end: CoordinatorEnd;
  readonly store: StoreAsker | null;
  readonly onRolloutOrder: () => void;
}

function readMail(
  host: AgentHost,
  { end, store, onRolloutOrder }: MailReaders,
  onConfigs: (configs: readonly SharedConfig[]) => void,
): void {
  for (let mail = host.nextMail(); mail !== undefined; mail = host.nextMail()) {
    if (mail.type === 'wakePort') end.setWakePort(mail.lane, mail.port);
    else if (mail.type === 'storePort') store?.setWakePort(mail.port);
    else if (mail.type === 'fault') fail(mail.fault);
    else if (mail.type === 'rolloutOrder') onRolloutOrder();
    else if (mail.type === 'configs') onConfigs(mail.configs);
    else assertNever(mail);
  }
}

function clusterLimits(
  store: StoreAsker,
  configs: readonly ServedConfig[],
  unixMs: () => number,
): ClusterLimits | null {
  const settings = configs.at(-1)?.store ?? null;
  if (settings === null) return null;
  const { timeoutMs, nodes: nodesMin } = settings;
  return new ClusterLimits({ store, timeoutMs, nodesMin, unixMs });
}

/** `configs`: the last one is in force. */
function unitedOf(configs: readonly SharedConfig[]): UnitedConfig {
  return uniteConfigs(configs.map(openConfig));
}

function fail(fault: CoordinatorFault): never {
  if (fault === 'crash') throw new Error('injected fault: crash');
  for (;;);
}
