/**
 * Logs: JSON lines on standard output, one logger a thread, through pino.
 *
 * Thread: any (both ends). Lines of several threads never mix: a thread writes whole lines in
 * pieces that the kernel takes in one go. A reader that does not keep up costs lines, not
 * requests: what waits is bounded, and what was dropped is counted.
 */
import { isatty } from 'node:tty';
import pino, { type DestinationStream, type Logger, type LoggerOptions } from 'pino';
import sonicBoom from 'sonic-boom';
import { readableLine } from './readable-log.js';

/** POSIX lets writes of up to this many bytes (PIPE_BUF) not mix. */
const WRITE_BYTES_MAX = 4096;
/** A write begins once this much waits. */
const WRITE_BYTES_MIN = 3072;
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const FLUSH_AFTER_MS = 100;
/** Of writes to a full non-blocking pipe, 100 ms apart, at the end of a thread. */
const LAST_RETRIES_MAX = 20;
const STANDARD_OUTPUT = 1;

/** Fields whose values never appear. */
const REDACTED = ['secret', '*.secret', 'authorization', '*.authorization', 'token', '*.token'];

export interface ThreadLogger {
  readonly logger: Logger;
  /** For access records: the same lines without the search for secrets, as they hold none. */
  readonly access: Logger;
  /** Lines that found no room. */
  dropped(): number;
  /** Writes what waits; at the end of a thread. */
  flush(): void;
}

/** `auto`: text for a person where standard output is a terminal, else JSON. */
export type LogFormat = 'auto' | 'json' | 'text';

/** `thread`: the name in each line, e.g. `acceptor` or `worker-1`. */
export function createThreadLogger(
  thread: string,
  { level, format }: { readonly level: string; readonly format: LogFormat },
): ThreadLogger {
  let droppedLines = 0;
  let isEnding = false;
  let lastRetries = 0;
  // Not `pino.destination`: its end at the exit of the process never returns on a closed pipe.
  const destination = new sonicBoom.SonicBoom({
    fd: STANDARD_OUTPUT,
    sync: false,
    minLength: WRITE_BYTES_MIN,
    maxWrite: WRITE_BYTES_MAX,
    maxLength: WAITING_BYTES_MAX,
    retryEAGAIN: () => !isEnding || lastRetries++ < LAST_RETRIES_MAX,
  });
  destination.on('drop', () => {
    droppedLines++;
  });
  // Standard output may be closed under us; that must not end the gateway.
  let isClosed = false;
  destination.on('error', (error: NodeJS.ErrnoException) => {
    droppedLines++;
    isClosed ||= error.code === 'EPIPE';
  });
  const options: LoggerOptions = {
    level,
    base: { thread },
    timestamp: isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  const isText = format === 'text' || (format === 'auto' && isatty(STANDARD_OUTPUT));
  // The library's own flush would wake an idle thread ten times a second, for nothing.
  let flushTimer: NodeJS.Timeout | null = null;
  const flushSoon = (): void => {
    if (flushTimer === null) flushTimer = setTimeout(onFlushTime, FLUSH_AFTER_MS).unref();
  };
  const onFlushTime = (): void => {
    flushTimer = null;
    if (!isClosed) destination.flush();
  };
  // What came while this was written waits for the next flush; one that writes nothing is the last.
  destination.on('write', (bytes: number) => {
    if (bytes > 0) flushSoon();
  });
  const lines: DestinationStream = {
    write: (line) => {
      if (isClosed) {
        droppedLines++;
        return;
      }
      flushSoon();
      destination.write(isText ? readableLine(line) : line);
    },
  };
  const flush = (): void => {
    process.off('exit', flush);
    if (isClosed) return;
    isEnding = true;
    try {
      destination.flushSync();
    } catch {
      // Nobody reads any more: there is nowhere to say so.
      droppedLines++;
    }
  };
  // An exception that nobody caught ends the process; what led to it is in the last lines.
  process.once('exit', flush);
  return {
    logger: pino({ ...options, redact: REDACTED }, lines),
    access: pino({ ...options, level: 'info' }, lines),
    dropped: () => droppedLines,
    flush,
  };
}

let lastMs = 0;
let lastText = '';

/** As pino takes it. Many lines share one millisecond, and so one text. */
function isoTime(): string {
  const nowMs = Date.now();
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastText = `,"time":"${new Date(nowMs).toISOString()}"`;
  }
  return lastText;
}
