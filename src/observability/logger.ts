/**
 * Logs: JSON lines on standard output, one logger a thread, through pino.
 *
 * Thread: any (both ends). Lines of several threads do not mix: a thread writes whole lines in
 * pieces that the kernel takes in one go. (The kernel does not when a line is longer than a pipe
 * takes, such as a long stack trace, or when the disk fills up in the middle of a piece.) A slow
 * reader costs lines, not requests: the waiting lines are bounded, and lost lines are counted.
 */
import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import pino, { type DestinationStream, type Logger, type LoggerOptions } from 'pino';
import type { Clock } from '../base/clock.js';
import { LineOutput } from './line-output.js';
import { readableLine } from './readable-log.js';

/** POSIX keeps writes of up to 4096 bytes (PIPE_BUF) to a pipe whole. */
export const PIPE_WRITE_BYTES = 4096;
/** Writes to a file do not mix at any size, and a write costs as much as several records. */
const FILE_WRITE_BYTES = 32 * 1024;
const STANDARD_OUTPUT = 1;

/** Fields whose values never appear. */
const REDACTED = ['secret', '*.secret', 'authorization', '*.authorization', 'token', '*.token'];

export interface ThreadLogger {
  readonly logger: Logger;
  /** The output for access records, which are lines of the same form. */
  readonly records: RecordOutput;
  /** Lines that were lost. */
  dropped(): number;
  /** Lines are lost soon, if they go on coming like this. */
  isBehind(): boolean;
  /** Writes the waiting lines at the end of a thread; later lines are lost. */
  end(): Promise<void>;
}

/** Takes lines: JSON objects with `level`, `time`, `thread` and `msg`, and a line feed. */
export interface RecordOutput {
  readonly thread: string;
  /** The time for a line that is written now: ISO 8601. */
  time(): string;
  write(line: string): void;
}

/** `auto`: text for people when standard output is a terminal, else JSON. */
export type LogFormat = 'auto' | 'json' | 'text';

/** `thread`: the name in each line, e.g. `acceptor` or `worker-1`. */
export function createThreadLogger(
  thread: string,
  { level, format }: { readonly level: string; readonly format: LogFormat },
  clock: Pick<Clock, 'nowMs' | 'unixMs'>,
): ThreadLogger {
  const output = new LineOutput(STANDARD_OUTPUT, writeBytes());
  const onExit = (): void => output.endNow(clock.nowMs);
  process.once('exit', onExit);
  const isText = format === 'text' || (format === 'auto' && isatty(STANDARD_OUTPUT));
  const lines: DestinationStream = {
    write: (line) => output.write(isText ? readableLine(line) : line),
  };
  const time = lineTime(clock);
  const options: LoggerOptions = {
    level,
    base: { thread },
    timestamp: () => `,"time":"${time()}"`,
    formatters: { level: (label) => ({ level: label }) },
  };
  return {
    logger: pino({ ...options, redact: REDACTED }, lines),
    records: { thread, time, write: (line) => lines.write(line) },
    dropped: () => output.droppedLines,
    isBehind: () => output.isBehind,
    end: () => {
      process.off('exit', onExit);
      return output.end();
    },
  };
}

function writeBytes(): number {
  const kind = fstatSync(STANDARD_OUTPUT);
  return kind.isFIFO() || kind.isSocket() ? PIPE_WRITE_BYTES : FILE_WRITE_BYTES;
}

/** The time for lines. Lines of the same millisecond share one text. */
function lineTime({ unixMs }: Pick<Clock, 'unixMs'>): () => string {
  let lastMs = Number.NaN;
  let lastText = '';
  return () => {
    const nowMs = unixMs();
    if (nowMs !== lastMs) {
      lastMs = nowMs;
      lastText = new Date(nowMs).toISOString();
    }
    return lastText;
  };
}
