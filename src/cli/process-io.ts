/**
 * The process as commands see it.
 *
 * Thread: supervisor (on the main thread). A stream is opened when a command writes to it, and not
 * before: Node changes how a pipe behaves once there is a stream for it, and the log uses the same
 * pipe.
 */
import type { CommandIo, TextOutput } from './command-io.js';

/** The streams of the process, with a way to wait until they have written everything. */
export interface ProcessIo extends CommandIo {
  /**
   * Resolves when the system has taken all text, or takes no more. The string is empty when nothing
   * was lost, or when the reader has left, as `head` does; else it says why text was lost.
   */
  written(): Promise<string>;
}

export function processIo(program: NodeJS.Process, clock: CommandIo['clock']): ProcessIo {
  const stdout = new Output(() => program.stdout);
  const stderr = new Output(() => program.stderr);
  return {
    stdout,
    stderr,
    get stdin() {
      return program.stdin;
    },
    env: program.env,
    clock,
    async written() {
      await stderr.written;
      await stdout.written;
      return stdout.failure;
    },
  };
}

class Output implements TextOutput {
  written: Promise<void> = Promise.resolve();
  failure = '';
  private stream: NodeJS.WriteStream | null = null;

  constructor(private readonly open: () => NodeJS.WriteStream) {}

  write(text: string): void {
    const stream = this.stream ?? this.open();
    if (this.stream === null) stream.on('error', (error) => this.onError(error));
    this.stream = stream;
    this.written = new Promise((resolve) => {
      stream.write(text, () => resolve());
    });
  }

  private onError({ code = 'unknown error' }: NodeJS.ErrnoException): void {
    if (code !== 'EPIPE') this.failure = code;
  }
}
