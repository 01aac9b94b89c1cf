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

/** POSIX lets writes of up to 4096 bytes (PIPE_BUF) to a pipe not mix. */
const PIPE_WRITE_BYTES = 4096;
/** To a file none mix, and each costs what several records do. */
const FILE_WRITE_BYTES = 32 * 1024;
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

/** sonic-boom with this `contentMode`: its own types know strings only. */
interface PieceDestination {
  write(lines: string | Buffer): boolean;
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
  private readonly writeBytes = writeBytes();
  /** Whole lines that make up the next write. */
  private piece: Buffer | null = null;
  private pieceBytes = 0;
  private readonly destination = new sonicBoom.SonicBoom({
    fd: STANDARD_OUTPUT,
    sync: false,
    contentMode: 'buffer',
    maxWrite: this.writeBytes,
    maxLength: WAITING_BYTES_MAX,
    retryEAGAIN: () => !this.isEnding || this.lastRetries++ < LAST_RETRIES_MAX,
  });

  constructor() {
    this.destination.on('drop', (piece) => {
      this.droppedLines += lineCount(piece);
    });
    this.destination.on('error', (error: NodeJS.ErrnoException) => {
      this.droppedLines++;
      this.isClosed ||= error.code === 'EPIPE';
    });
    // An exception that nobody caught ends the process; what led to it is in the last lines.
    process.once('exit', this.end);
  }

  write(line: string): void {
    if (this.isClosed) {
      this.droppedLines++;
      return;
    }
    // sonic-boom could gather lines as well, but measures all that it has gathered at each.
    const bytes = Buffer.byteLength(line);
    if (this.pieceBytes + bytes > this.writeBytes) this.handOver();
    if (bytes > this.writeBytes) {
      this.writePiece(Buffer.from(line));
      return;
    }
    this.piece ??= Buffer.allocUnsafeSlow(this.writeBytes);
    this.pieceBytes += this.piece.write(line, this.pieceBytes);
    this.flushTimer ??= setTimeout(this.onFlushTime, FLUSH_AFTER_MS).unref();
  }

  private handOver(): void {
    if (this.piece === null) return;
    const lines = this.piece.subarray(0, this.pieceBytes);
    this.piece = null;
    this.pieceBytes = 0;
    this.writePiece(lines);
  }

  private writePiece(lines: Buffer): void {
    const destination: PieceDestination = this.destination;
    destination.write(lines);
  }

  /** Writes what waits, and returns when it is written or nobody takes it. */
  readonly end = (): void => {
    process.off('exit', this.end);
    if (this.isClosed) return;
    this.isEnding = true;
    try {
      this.handOver();
      this.destination.flushSync();
    } catch {
      // Nobody reads any more: there is nowhere to say so.
      this.droppedLines++;
    }
  };

  private readonly onFlushTime = (): void => {
    this.flushTimer = null;
    if (!this.isClosed) this.handOver();
  };
}

function writeBytes(): number {
  const kind = fstatSync(STANDARD_OUTPUT);
  return kind.isFIFO() || kind.isSocket() ? PIPE_WRITE_BYTES : FILE_WRITE_BYTES;
}

function lineCount(lines: string | Buffer): number {
  let count = 0;
  for (let at = lines.indexOf('\n'); at !== -1; at = lines.indexOf('\n', at + 1)) count++;
  return count;
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
