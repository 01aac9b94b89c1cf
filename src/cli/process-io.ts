/**
 * The process as commands see it.
 *
 * Thread: acceptor. Its streams are touched when a command writes to them, and not before: Node
 * changes how a pipe behaves once it has made a stream of it, and the log goes to the same one.
 */
import type { CommandIo, TextOutput } from './command-io.js';

/** The streams of the process, and when everything that was written to them is out. */
export interface ProcessIo extends CommandIo {
  /** Resolves when the system has all of it, or when nobody reads it any more. */
  written(): Promise<void>;
}

export function processIo(program: NodeJS.Process): ProcessIo {
  const stdout = new Output(() => program.stdout);
  const stderr = new Output(() => program.stderr);
  return {
    stdout,
    stderr,
    get stdin() {
      return program.stdin;
    },
    env: program.env,
    async written() {
      await stdout.written;
      await stderr.written;
    },
  };
}

class Output implements TextOutput {
  written: Promise<void> = Promise.resolve();
  private stream: NodeJS.WriteStream | null = null;

  constructor(private readonly open: () => NodeJS.WriteStream) {}

  write(text: string): void {
    const stream = this.stream ?? this.open();
    // A reader that leaves, such as `head`, is no failure of the command.
    if (this.stream === null) stream.on('error', () => {});
    this.stream = stream;
    this.written = new Promise((resolve) => {
      stream.write(text, () => resolve());
    });
  }
}
