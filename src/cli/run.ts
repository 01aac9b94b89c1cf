/**
 * `sluice run`: runs the gateway until a signal ends it; without a file, runs the demo.
 *
 * Thread: supervisor (on the main thread). The first SIGTERM or SIGINT drains, the second signal
 * ends the process at once. SIGHUP reads the configuration again.
 */
import { randomBytes } from 'node:crypto';
import { type ConfigSource, fileSource } from '../config/source/config-source.js';
import { loadConfigText } from '../config/source/load-config.js';
import { type LoadedConfig, loadObject } from '../config/source/load-file.js';
import { type CommandIo, EXIT_FAILURE, EXIT_OK, type ExitCode } from './command-io.js';
import type { RunOptions } from './command-line.js';

/** The part of the gateway that this command uses. */
export interface RunnableGateway {
  readonly address: { readonly host: string; readonly port: number };
  readonly adminAddress: { readonly host: string; readonly port: number };
  start(): Promise<void>;
  stop(): Promise<boolean>;
  reload(trigger: 'signal'): Promise<unknown>;
}

/** Makes a gateway, which calls `onGivingUp` when its threads die too often. */
export type GatewayFactory = (
  first: LoadedConfig,
  options: { readonly source?: ConfigSource; onGivingUp(reason: string): void },
) => Promise<RunnableGateway>;

type Signal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

/** Source of signals; a process fits. */
export interface SignalSource {
  on(signal: Signal, listener: () => void): unknown;
  off(signal: Signal, listener: () => void): unknown;
  exit(code: number): never;
}

/** Makes the `run` command for a kind of gateway and a process. */
export function createRunCommand(createGateway: GatewayFactory, signals: SignalSource) {
  return ({ configFile }: RunOptions, io: CommandIo): Promise<ExitCode> => {
    if (configFile === undefined) return runDemo(createGateway, signals, io);
    const source = fileSource(configFile, io.env);
    const first = source.load();
    return runUntilSignal(signals, io, {
      create: (onGivingUp) => createGateway(first, { source, onGivingUp }),
      onStarted: async () => {},
      onHangUp: (gateway) => void gateway.reload('signal'),
    });
  };
}

async function runDemo(
  createGateway: GatewayFactory,
  signals: SignalSource,
  io: CommandIo,
): Promise<ExitCode> {
  // The demo is loaded only here, so that no other configuration waits for it.
  const { DEMO_CONFIG_NAME, DEMO_CONFIG_TEXT, demoEnvironment } = await import('./demo-config.js');
  const { demoGuide } = await import('./demo-guide.js');
  const { startDemoUpstreams } = await import('./demo-upstreams.js');
  const secret = randomBytes(32).toString('hex');
  const upstreams = await startDemoUpstreams();
  try {
    const environment = demoEnvironment(upstreams, secret, io.env);
    const file = { file: DEMO_CONFIG_NAME, environment };
    const first = loadObject(loadConfigText(DEMO_CONFIG_TEXT, file));
    return await runUntilSignal(signals, io, {
      create: (onGivingUp) => createGateway(first, { onGivingUp }),
      onStarted: async ({ address, adminAddress }) => {
        const addresses = { address, admin: adminAddress };
        io.stdout.write(await demoGuide(first.compiled, addresses, io.clock.unixMs()));
      },
    });
  } finally {
    await upstreams.close();
  }
}

interface RunSteps {
  create(onGivingUp: (reason: string) => void): Promise<RunnableGateway>;
  onStarted(gateway: RunnableGateway): Promise<void>;
  /** Called at SIGHUP. Without it SIGHUP ends the process, as when its terminal is closed. */
  onHangUp?(gateway: RunnableGateway): void;
}

async function runUntilSignal(
  signals: SignalSource,
  io: CommandIo,
  steps: RunSteps,
): Promise<ExitCode> {
  let onEnd: (code: ExitCode) => void = () => {};
  const ended = new Promise<ExitCode>((resolve) => {
    onEnd = resolve;
  });
  const gateway = await steps.create((reason) => {
    io.stderr.write(`sluice: gives up: ${reason}; the log says why they ended\n`);
    onEnd(EXIT_FAILURE);
  });
  const onHangUp = (): void => steps.onHangUp?.(gateway);
  let isStopping = false;
  const onSignal = (): void => {
    if (isStopping) signals.exit(EXIT_FAILURE);
    isStopping = true;
    onEnd(EXIT_OK);
  };
  signals.on('SIGTERM', onSignal);
  signals.on('SIGINT', onSignal);
  if (steps.onHangUp !== undefined) signals.on('SIGHUP', onHangUp);
  try {
    await gateway.start();
    await steps.onStarted(gateway);
    const code = await ended;
    if (code === EXIT_OK) await gateway.stop();
    return code;
  } finally {
    signals.off('SIGTERM', onSignal);
    signals.off('SIGINT', onSignal);
    signals.off('SIGHUP', onHangUp);
  }
}
