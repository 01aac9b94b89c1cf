/**
 * What a command gets from the process, and what it gives back.
 *
 * Thread: supervisor (on the main thread). A command sees nothing else of the process, so that
 * tests need no process.
 */
import type { Clock } from '../base/clock.js';

/** The command has done its work. */
export const EXIT_OK = 0 as const;
/** The command failed while it ran. */
export const EXIT_FAILURE = 1 as const;
/** The usage or the configuration was wrong. */
export const EXIT_USAGE = 2 as const;

export type ExitCode = typeof EXIT_OK | typeof EXIT_FAILURE | typeof EXIT_USAGE;

/** Takes text; a stream of the process fits. */
export interface TextOutput {
  write(text: string): unknown;
}

/** Gives text; standard input fits. */
export interface TextInput extends AsyncIterable<Uint8Array | string> {
  /** Whether a person types the text. */
  readonly isTTY?: boolean;
  /** With true each key arrives at once, and is not shown. */
  setRawMode?(isRaw: boolean): unknown;
}

/** The streams and the environment of a command. */
export interface CommandIo {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly stdin: TextInput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** All options of all commands, as text; each command checks its own. */
export interface CommandArguments {
  /** The value of `-c`, else of GATEWAY_CONFIG; undefined when neither names a file. */
  readonly configFile: string | undefined;
  /** The URL of the admin listener of a running gateway. */
  readonly admin: string | undefined;
  /** The arguments after the command's name that are not options. */
  readonly words: readonly string[];
  readonly sub: string | undefined;
  readonly expires: string | undefined;
  readonly authenticator: string | undefined;
  /** Each `k=v`, in order. */
  readonly claims: readonly string[];
  /** Each scope of a key, in order. */
  readonly scopes: readonly string[];
  readonly grace: string | undefined;
  /** Each `name: value`, in order. */
  readonly headers: readonly string[];
  readonly from: string | undefined;
  readonly listener: string | undefined;
  readonly consumer: string | undefined;
  readonly repeat: string | undefined;
  readonly tests: string | undefined;
  readonly against: string | undefined;
  readonly tolerate: string | undefined;
  readonly host: string | undefined;
  readonly isJson: boolean;
  /** A store of configurations, or `file`. */
  readonly configFrom: string | undefined;
  readonly stateDir: string | undefined;
  readonly node: string | undefined;
  readonly bootTimeout: string | undefined;
  readonly onNoConfig: string | undefined;
  readonly to: string | undefined;
  readonly part: string | undefined;
  readonly nodes: string | undefined;
  readonly timeout: string | undefined;
  readonly keep: string | undefined;
  readonly isWaiting: boolean;
  readonly isRemoving: boolean;
  readonly isCluster: boolean;
}

/** A command does its work and returns the exit code of the process. */
export type Command = (args: CommandArguments, io: CommandIo) => Promise<ExitCode>;

/** The user called a command wrongly. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
