/**
 * The process as commands see it.
 *
 * Thread: acceptor. Its streams are touched when a command writes to them, and not before: Node
 * changes how a pipe behaves once it has made a stream of it, and the log goes to the same one.
 */
import type { CommandIo, TextOutput } from './command-io.js';

/** The streams of the process, and when everything that was written to them is out. */
export interface ProcessIo extends CommandIo {
  /**
   * Resolves when the system has all of it, or takes no more. Empty: all went well, or the reader
   * has left, as `head` does; else why something was lost.
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
