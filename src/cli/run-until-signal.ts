/**
 * Runs a gateway until a signal ends it.
 *
 * Thread: supervisor (on the main thread). The first SIGTERM, SIGINT or SIGQUIT drains, the second
 * signal ends the process at once. One that comes before there is anything to drain ends it as
 * well. SIGHUP reloads; one that comes during the start does so once the gateway has started.
 */
import type { ConfigSource } from '../config/source/config-source.js';
import type { LoadedConfig } from '../config/source/load-file.js';
import type { LoadedPair } from '../supervisor/certificates/listener-files.js';
import type { ReloadResult } from '../supervisor/reloader.js';
import type { FollowerLog } from '../supervisor/sources/release-follower.js';
import { keepWorkingFolder } from '../supervisor/working-folder.js';
import { type CommandIo, EXIT_FAILURE, EXIT_OK, type ExitCode } from './command-io.js';

/** The part of the gateway that this command uses. */
export interface RunnableGateway {
  readonly address: { readonly host: string; readonly port: number };
  readonly adminAddress: { readonly host: string; readonly port: number };
  start(): Promise<void>;
  stop(): Promise<boolean>;
  reload(trigger: 'signal' | 'store' | 'kubernetes'): Promise<ReloadResult>;
  /** A reload is being made, or waits for its turn. */
  readonly isReloading: boolean;
  /** Certificates that every listener with TLS shows beside its own. */
  useCertificates(pairs: readonly LoadedPair[]): void;
  /** Writes a line to the gateway's log. */
  readonly note: FollowerLog;
}

/** How often it is seen to that threads can be started. */
const FOLDER_LOOK_MS = 250;
/**
 * A SIGINT this soon after the first one is the same: at Ctrl-C the terminal sends one to all
 * processes, and a program that runs commands, such as pnpm, passes its own on.
 */
const SAME_SIGINT_MS = 300;

/** Makes a gateway, which calls `onGivingUp` when its threads die too often. */
export type GatewayFactory = (
  first: LoadedConfig,
  options: { readonly source?: ConfigSource; onGivingUp(reason: string): void },
) => Promise<RunnableGateway>;

/** Signals that drain; nginx drains at SIGQUIT. */
export const ENDING_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/**
 * Signals by which other servers open their logs again. Left alone, Node.js would begin to listen
 * for a debugger at the first one, and end at the second.
 */
export const LOG_SIGNALS = ['SIGUSR1', 'SIGUSR2'] as const;

export type Signal = (typeof ENDING_SIGNALS)[number] | 'SIGHUP' | (typeof LOG_SIGNALS)[number];

/** Source of signals; a process fits. */
export interface SignalSource {
  on(signal: Signal, listener: () => void): unknown;
  off(signal: Signal, listener: () => void): unknown;
  listenerCount(signal: Signal): number;
  exit(code: number): never;
}

export interface RunSteps {
  create(onGivingUp: (reason: string) => void): Promise<RunnableGateway>;
  onStarted(gateway: RunnableGateway): Promise<void>;
  /** Called before the gateway drains, which takes some time. */
  onEnding?(): void;
  /** Called at SIGHUP. Without it SIGHUP ends the process, as when its terminal is closed. */
  onHangUp?(gateway: RunnableGateway): void;
}

export async function runUntilSignal(
  signals: SignalSource,
  io: CommandIo,
  steps: RunSteps,
): Promise<ExitCode> {
  keepWorkingFolder();
  const looks = io.clock.every(FOLDER_LOOK_MS, keepWorkingFolder);
  let onEnd: (code: ExitCode) => void = () => {};
  const ended = new Promise<ExitCode>((resolve) => {
    onEnd = resolve;
  });
  let isStopping = false;
  let interruptedMs = Number.NEGATIVE_INFINITY;
  const onSignal = (): void => {
    if (isStopping) {
      io.stderr.write('sluice: a second signal: ends at once, and waits for no request\n');
      signals.exit(EXIT_FAILURE);
    }
    isStopping = true;
    onEnd(EXIT_OK);
  };
  const onInterrupt = (): void => {
    const nowMs = io.clock.nowMs();
    if (nowMs - interruptedMs < SAME_SIGINT_MS) return;
    interruptedMs = nowMs;
    onSignal();
  };
  const endingSteps = ENDING_SIGNALS.map(
    (name) => [name, name === 'SIGINT' ? onInterrupt : onSignal] as const,
  );
  let gateway: RunnableGateway | null = null;
  let hasStarted = false;
  let isHungUp = false;
  const onHangUp = (): void => {
    isHungUp = true;
    if (gateway !== null && hasStarted) steps.onHangUp?.(gateway);
  };
  const onLogSignal = (): void => {
    const message = 'signal ignored: the log is standard output and has no file to open';
    gateway?.note('info', {}, message);
  };
  // Before there are threads: nobody else ends the first process of a container.
  for (const [name, step] of endingSteps) signals.on(name, step);
  for (const name of LOG_SIGNALS) signals.on(name, onLogSignal);
  if (steps.onHangUp !== undefined) signals.on('SIGHUP', onHangUp);
  try {
    gateway = await steps.create((reason) => {
      io.stderr.write(`sluice: gives up: ${reason}; the log says why they ended\n`);
      onEnd(EXIT_FAILURE);
    });
    if (isStopping) return await ended;
    await gateway.start();
    await steps.onStarted(gateway);
    hasStarted = true;
    if (isHungUp) steps.onHangUp?.(gateway);
    const code = await ended;
    steps.onEnding?.();
    if (code === EXIT_OK) await gateway.stop();
    return code;
  } finally {
    looks.cancel();
    for (const [name, step] of endingSteps) signals.off(name, step);
    for (const name of LOG_SIGNALS) signals.off(name, onLogSignal);
    signals.off('SIGHUP', onHangUp);
  }
}
