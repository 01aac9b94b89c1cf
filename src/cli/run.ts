/**
 * `sluice run`: the gateway until a signal ends it; without a file, the demo.
 *
 * Thread: acceptor. The first SIGTERM or SIGINT drains, a second one ends at once.
 */
import { randomBytes } from 'node:crypto';
import { compileConfig } from '../config/compile-config.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { loadConfigFile, loadConfigText } from '../config/load-config.js';
import { type CommandIo, EXIT_FAILURE, EXIT_OK, type ExitCode } from './command-io.js';
import type { RunOptions } from './command-line.js';

/** The part of the gateway that this command drives. */
export interface RunnableGateway {
  readonly address: { readonly host: string; readonly port: number };
  readonly adminAddress: { readonly host: string; readonly port: number };
  start(): Promise<void>;
  stop(): Promise<boolean>;
}

/** Makes a gateway; `onGivingUp` is called when its threads die too often. */
export type GatewayFactory = (
  config: CompiledConfig,
  onGivingUp: (reason: string) => void,
) => RunnableGateway;

/** Where signals come from; a process fits. */
export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  off(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  exit(code: number): never;
}

/** The `run` command over a gateway and a process. */
export function createRunCommand(createGateway: GatewayFactory, signals: SignalSource) {
  return ({ configFile }: RunOptions, io: CommandIo): Promise<ExitCode> => {
    if (configFile === undefined) return runDemo(createGateway, signals, io);
    const config = compileConfig(loadConfigFile(configFile, io.env));
    return runUntilSignal(createGateway, signals, { config, io }, async () => {});
  };
}

async function runDemo(
  createGateway: GatewayFactory,
  signals: SignalSource,
  io: CommandIo,
): Promise<ExitCode> {
  // Loaded here: who runs a configuration of their own does not wait for the demo.
  const { DEMO_CONFIG_NAME, DEMO_CONFIG_TEXT, demoEnvironment } = await import('./demo-config.js');
  const { demoGuide } = await import('./demo-guide.js');
  const { startDemoUpstreams } = await import('./demo-upstreams.js');
  const secret = randomBytes(32).toString('hex');
  const upstreams = await startDemoUpstreams();
  try {
    const environment = demoEnvironment(upstreams, secret, io.env);
    const file = { file: DEMO_CONFIG_NAME, environment };
    const config = compileConfig(loadConfigText(DEMO_CONFIG_TEXT, file));
    return await runUntilSignal(createGateway, signals, { config, io }, async (gateway) => {
      io.stdout.write(await demoGuide(config, gateway.address, gateway.adminAddress));
    });
  } finally {
    await upstreams.close();
  }
}

async function runUntilSignal(
  createGateway: GatewayFactory,
  signals: SignalSource,
  { config, io }: { readonly config: CompiledConfig; readonly io: CommandIo },
  onStarted: (gateway: RunnableGateway) => Promise<void>,
): Promise<ExitCode> {
  let onEnd: (code: ExitCode) => void = () => {};
  const ended = new Promise<ExitCode>((resolve) => {
    onEnd = resolve;
  });
  const gateway = createGateway(config, (reason) => {
    io.stderr.write(`sluice: gives up: ${reason}; the log tells what ended them\n`);
    onEnd(EXIT_FAILURE);
  });
  let isStopping = false;
  const onSignal = (): void => {
    if (isStopping) signals.exit(EXIT_FAILURE);
    isStopping = true;
    onEnd(EXIT_OK);
  };
  signals.on('SIGTERM', onSignal);
  signals.on('SIGINT', onSignal);
  try {
    await gateway.start();
    await onStarted(gateway);
    const code = await ended;
    if (code === EXIT_OK) await gateway.stop();
    return code;
  } finally {
    signals.off('SIGTERM', onSignal);
    signals.off('SIGINT', onSignal);
  }
}
