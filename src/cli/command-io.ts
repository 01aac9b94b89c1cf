/**
 * What a command gets from the process, and what it gives back.
 *
 * Thread: acceptor. Commands see only this, so that tests run them without a process.
 */
import type { Clock } from '../base/clock.js';

/** Done. */
export const EXIT_OK = 0 as const;
/** Failed while running. */
export const EXIT_FAILURE = 1 as const;
/** Called wrongly, or with a wrong configuration. */
export const EXIT_USAGE = 2 as const;

export type ExitCode = typeof EXIT_OK | typeof EXIT_FAILURE | typeof EXIT_USAGE;

/** Where text goes; a stream of the process fits. */
export interface TextOutput {
  write(text: string): unknown;
}

/** Where text comes from; standard input fits. */
export interface TextInput extends AsyncIterable<Uint8Array | string> {
  /** Somebody types it. */
  readonly isTTY?: boolean;
  /** Whether what is typed comes at once, and is not shown. */
  setRawMode?(isRaw: boolean): unknown;
}

/** The surroundings of a command. */
export interface CommandIo {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly stdin: TextInput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Pick<Clock, 'nowMs' | 'unixMs'>;
}

/** The options that any command may be given, as text; commands judge them. */
export interface CommandArguments {
  /** From `-c`, else GATEWAY_CONFIG; undefined when neither names a file. */
  readonly configFile: string | undefined;
  /** Where the admin listener of a running gateway is. */
  readonly admin: string | undefined;
  /** What follows the command's name and is no option. */
  readonly words: readonly string[];
  readonly sub: string | undefined;
  readonly expires: string | undefined;
  readonly authenticator: string | undefined;
  /** Each `k=v`, in order. */
  readonly claims: readonly string[];
  /** Each `name: value`, in order. */
  readonly headers: readonly string[];
  readonly from: string | undefined;
  readonly consumer: string | undefined;
  readonly repeat: string | undefined;
  readonly tests: string | undefined;
  readonly isJson: boolean;
}

/** A command: does its work and says how the process is to exit. */
export type Command = (args: CommandArguments, io: CommandIo) => Promise<ExitCode>;

/** The user called a command wrongly. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
