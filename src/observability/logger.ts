/**
 * Logs: JSON lines on standard output, one logger a thread, through pino.
 *
 * Thread: any (both ends). Lines of several threads never mix: a thread writes whole lines in
 * pieces that the kernel takes in one go. A reader that does not keep up costs lines, not
 * requests: what waits is bounded, and what was dropped is counted.
 */
import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import pino, { type DestinationStream, type Logger, type LoggerOptions } from 'pino';
import sonicBoom from 'sonic-boom';
import { readableLine } from './readable-log.js';

/** How much is written at once: a write begins once `minLength` bytes wait. */
interface WriteSizes {
  readonly minLength: number;
  readonly maxWrite: number;
}

/** POSIX lets writes of up to 4096 bytes (PIPE_BUF) to a pipe not mix. */
const PIPE_SIZES: WriteSizes = { minLength: 3072, maxWrite: 4096 };
/** To a file none mix, and each costs a good part of what twenty records do. */
const FILE_SIZES: WriteSizes = { minLength: 24 * 1024, maxWrite: 32 * 1024 };
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const FLUSH_AFTER_MS = 100;
/** Of writes to a full non-blocking pipe, 100 ms apart, at the end of a thread. */
const LAST_RETRIES_MAX = 20;
const STANDARD_OUTPUT = 1;

/** Fields whose values never appear. */
const REDACTED = ['secret', '*.secret', 'authorization', '*.authorization', 'token', '*.token'];

export interface ThreadLogger {
  readonly logger: Logger;
  /** For access records, which are the same lines. */
  readonly records: RecordOutput;
  /** Lines that found no room. */
  dropped(): number;
  /** Writes what waits; at the end of a thread. */
  flush(): void;
}

/** Where lines go: JSON objects with `level`, `time`, `thread` and `msg`, and a line feed. */
export interface RecordOutput {
  readonly thread: string;
  write(line: string): void;
}

/** `auto`: text for a person where standard output is a terminal, else JSON. */
export type LogFormat = 'auto' | 'json' | 'text';

/** `thread`: the name in each line, e.g. `acceptor` or `worker-1`. */
export function createThreadLogger(
  thread: string,
  { level, format }: { readonly level: string; readonly format: LogFormat },
): ThreadLogger {
  const output = new LineOutput();
  const isText = format === 'text' || (format === 'auto' && isatty(STANDARD_OUTPUT));
  const lines: DestinationStream = {
    write: (line) => output.write(isText ? readableLine(line) : line),
  };
  const options: LoggerOptions = {
    level,
    base: { thread },
    timestamp: () => `,"time":"${logTime()}"`,
    formatters: { level: (label) => ({ level: label }) },
  };
  return {
    logger: pino({ ...options, redact: REDACTED }, lines),
    records: { thread, write: (line) => lines.write(line) },
    dropped: () => output.droppedLines,
    flush: output.end,
  };
}

/**
 * Standard output, written in the background. Not `pino.destination`: its end at the exit of the
 * process never returns on a closed pipe, and its flush wakes an idle thread ten times a second.
 */
class LineOutput {
  droppedLines = 0;
  /** Nobody reads any more; that must not end the gateway. */
  private isClosed = false;
  private isEnding = false;
  private lastRetries = 0;
  private flushTimer: NodeJS.Timeout | null = null;
  private readonly destination = new sonicBoom.SonicBoom({
    fd: STANDARD_OUTPUT,
    sync: false,
    ...writeSizes(),
    maxLength: WAITING_BYTES_MAX,
    retryEAGAIN: () => !this.isEnding || this.lastRetries++ < LAST_RETRIES_MAX,
  });

  constructor() {
    this.destination.on('drop', () => {
      this.droppedLines++;
    });
    this.destination.on('error', (error: NodeJS.ErrnoException) => {
      this.droppedLines++;
      this.isClosed ||= error.code === 'EPIPE';
    });
    // What came meanwhile waits for the next flush; one that writes nothing is the last.
    this.destination.on('write', (bytes: number) => {
      if (bytes > 0) this.flushSoon();
    });
    // An exception that nobody caught ends the process; what led to it is in the last lines.
    process.once('exit', this.end);
  }

  write(line: string): void {
    if (this.isClosed) {
      this.droppedLines++;
      return;
    }
    this.flushSoon();
    this.destination.write(line);
  }

  /** Writes what waits, and returns when it is written or nobody takes it. */
  readonly end = (): void => {
    process.off('exit', this.end);
    if (this.isClosed) return;
    this.isEnding = true;
    try {
      this.destination.flushSync();
    } catch {
      // Nobody reads any more: there is nowhere to say so.
      this.droppedLines++;
    }
  };

  private flushSoon(): void {
    this.flushTimer ??= setTimeout(this.onFlushTime, FLUSH_AFTER_MS).unref();
  }

  private readonly onFlushTime = (): void => {
    this.flushTimer = null;
    if (!this.isClosed) this.destination.flush();
  };
}

function writeSizes(): WriteSizes {
  const kind = fstatSync(STANDARD_OUTPUT);
  return kind.isFIFO() || kind.isSocket() ? PIPE_SIZES : FILE_SIZES;
}

let lastMs = 0;
let lastText = '';

/** The time as lines have it. Many lines share one millisecond, and so one text. */
export function logTime(): string {
  const nowMs = Date.now();
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastText = new Date(nowMs).toISOString();
  }
  return lastText;
}
