/**
 * Logs: JSON lines on standard output, one logger a thread, through pino.
 *
 * Thread: any (both ends). Lines of several threads never mix: a thread writes whole lines in
 * pieces that the kernel takes in one go. A reader that does not keep up costs lines, not
 * requests: what waits is bounded, and what was dropped is counted.
 */
import pino, { type Logger, type LoggerOptions } from 'pino';

/** POSIX lets writes of up to this many bytes (PIPE_BUF) not mix. */
const WRITE_BYTES_MAX = 4096;
/** A write begins once this much waits. */
const WRITE_BYTES_MIN = 3072;
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const FLUSH_EVERY_MS = 100;

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

/** `thread`: the name in each line, e.g. `acceptor` or `worker-1`. */
export function createThreadLogger(thread: string, level: string): ThreadLogger {
  let droppedLines = 0;
  const destination = pino.destination({
    dest: 1,
    sync: false,
    minLength: WRITE_BYTES_MIN,
    maxWrite: WRITE_BYTES_MAX,
    maxLength: WAITING_BYTES_MAX,
    periodicFlush: FLUSH_EVERY_MS,
  });
  destination.on('drop', () => {
    droppedLines++;
  });
  // Standard output may be closed under us; that must not end the gateway.
  destination.on('error', () => {
    droppedLines++;
  });
  const options: LoggerOptions = {
    level,
    base: { thread },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  return {
    logger: pino({ ...options, redact: REDACTED }, destination),
    access: pino({ ...options, level: 'info' }, destination),
    dropped: () => droppedLines,
    flush: () => {
      try {
        destination.flushSync();
      } catch {
        // Nobody reads any more: there is nowhere to say so.
        droppedLines++;
      }
    },
  };
}
