/**
 * Runs a gateway until a signal ends it.
 *
 * Thread: supervisor (on the main thread). The first SIGTERM or SIGINT drains, the second signal
 * ends the process at once. One that comes before there is anything to drain ends it as well.
 */
import type { ConfigSource } from '../config/source/config-source.js';
import type { LoadedConfig } from '../config/source/load-file.js';
import type { LoadedPair } from '../supervisor/certificates/listener-files.js';
import type { ReloadResult } from '../supervisor/reloader.js';
import type { FollowerLog } from '../supervisor/sources/release-follower.js';
import { type CommandIo, EXIT_FAILURE, EXIT_OK, type ExitCode } from './command-io.js';

/** The part of the gateway that this command uses. */
export interface RunnableGateway {
  readonly address: { readonly host: string; readonly port: number };
  readonly adminAddress: { readonly host: string; readonly port: number };
  start(): Promise<void>;
  stop(): Promise<boolean>;
  reload(trigger: 'signal' | 'store' | 'kubernetes'): Promise<ReloadResult>;
  /** Certificates that every listener with TLS shows beside its own. */
  useCertificates(pairs: readonly LoadedPair[]): void;
  /** Writes a line to the gateway's log. */
  readonly note: FollowerLog;
}

/** Makes a gateway, which calls `onGivingUp` when its threads die too often. */
export type GatewayFactory = (
  first: LoadedConfig,
  options: { readonly source?: ConfigSource; onGivingUp(reason: string): void },
) => Promise<RunnableGateway>;

export type Signal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

/** Source of signals; a process fits. */
export interface SignalSource {
  on(signal: Signal, listener: () => void): unknown;
  off(signal: Signal, listener: () => void): unknown;
  exit(code: number): never;
}

export interface RunSteps {
  create(onGivingUp: (reason: string) => void): Promise<RunnableGateway>;
  onStarted(gateway: RunnableGateway): Promise<void>;
  /** Called at SIGHUP. Without it SIGHUP ends the process, as when its terminal is closed. */
  onHangUp?(gateway: RunnableGateway): void;
}

export async function runUntilSignal(
  signals: SignalSource,
  io: CommandIo,
  steps: RunSteps,
): Promise<ExitCode> {
  let onEnd: (code: ExitCode) => void = () => {};
  const ended = new Promise<ExitCode>((resolve) => {
    onEnd = resolve;
  });
  let isStopping = false;
  const onSignal = (): void => {
    if (isStopping) signals.exit(EXIT_FAILURE);
    isStopping = true;
    onEnd(EXIT_OK);
  };
  let gateway: RunnableGateway | null = null;
  const onHangUp = (): void => {
    if (gateway !== null) steps.onHangUp?.(gateway);
  };
  // Before there are threads: nobody else ends the first process of a container.
  signals.on('SIGTERM', onSignal);
  signals.on('SIGINT', onSignal);
  if (steps.onHangUp !== undefined) signals.on('SIGHUP', onHangUp);
  try {
    gateway = await steps.create((reason) => {
      io.stderr.write(`sluice: gives up: ${reason}; the log says why they ended\n`);
      onEnd(EXIT_FAILURE);
    });
    if (isStopping) return await ended;
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
