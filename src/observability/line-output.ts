/**
 * Writes lines to a file, a pipe or a terminal in the background, and counts lines that are lost.
 *
 * Thread: any (both ends). Owns the waiting lines, in pieces of whole lines; the operating system
 * has at most one piece at a time. No library does this for several threads with one destination:
 * libraries that gather lines cut them anywhere, keep lines without limit when nobody reads, and
 * count pieces. Node makes a pipe of standard output non-blocking once there are threads, so a full
 * pipe holds up no thread of its pool.
 *
 * Invariant: each line was written, waits within a bound, or is counted as dropped; no line waits
 * after the output has ended.
 */
import { write, writeSync } from 'node:fs';

const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** From here on lines come faster than they are taken. */
const BEHIND_BYTES = WAITING_BYTES_MAX / 4;
const GATHER_MS_MAX = 100;
/** Most bytes of one character of a string. */
const UTF8_BYTES_MAX = 3;
/** The wait before the next attempt when a non-blocking pipe is full. */
const PIPE_RETRY_MS = 10;
/** The wait after another error that may pass, such as a full disk. */
const RETRY_MS = 200;
/** How long the end waits for a slow reader. */
const LAST_WRITES_MS_MAX = 2000;
/** How long the end then waits for the result of the write that the operating system has. */
const LAST_RESULT_MS_MAX = 1000;

interface Piece {
  readonly bytes: Buffer;
  readonly lines: number;
  /** Bytes of the piece that were written. */
  at: number;
}

export class LineOutput {
  /** Lines that were lost. */
  droppedLines = 0;
  private readonly waiting: Piece[] = [];
  private waitingBytes = 0;
  /** The operating system has the first piece. */
  private isWriting = false;
  /** The piece that the operating system still had when the output ended. */
  private last: Piece | null = null;
  private onLastSettled: (() => void) | null = null;
  private retryTimer: NodeJS.Timeout | null = null;
  /** Nobody reads any more, or the output has ended. The gateway goes on without the lines. */
  private isClosed = false;
  private onDrained: (() => void) | null = null;
  private gatherTimer: NodeJS.Timeout | null = null;
  /** Gathers lines into a piece. */
  private buffer: Buffer | null = null;
  private bytes = 0;
  private lines = 0;

  /** `writeBytes`: the most bytes of whole lines in one write. */
  constructor(
    private readonly fd: number,
    private readonly writeBytes: number,
  ) {}

  /** So much waits that lines are lost soon, if they go on coming like this. */
  get isBehind(): boolean {
    return this.waitingBytes > BEHIND_BYTES;
  }

  /**
   * Writes one line, with its line feed. Hot path when records are on, watched by
   * bench/gateway/full-pipeline.
   */
  write(line: string): void {
    if (this.isClosed) {
      this.droppedLines += 1;
      return;
    }
    // Counting the bytes of a line costs as much as writing it: most lines fit whatever they hold.
    if (line.length * UTF8_BYTES_MAX > this.writeBytes - this.bytes) {
      const bytes = Buffer.byteLength(line);
      if (this.bytes + bytes > this.writeBytes) this.handOver();
      if (bytes > this.writeBytes) {
        this.queue(Buffer.from(line), 1);
        return;
      }
    }
    this.buffer ??= Buffer.allocUnsafeSlow(this.writeBytes);
    this.bytes += this.buffer.write(line, this.bytes);
    this.lines += 1;
    this.gatherTimer ??= setTimeout(this.onGatherTime, GATHER_MS_MAX).unref();
  }

  private readonly onGatherTime = (): void => {
    this.gatherTimer = null;
    this.handOver();
  };

  private handOver(): void {
    const { buffer, bytes, lines } = this;
    if (buffer === null || lines === 0) return;
    this.bytes = 0;
    this.lines = 0;
    // Many small pieces may wait: each holds its own bytes only, and not a whole buffer.
    const isSmall = bytes * 2 < this.writeBytes;
    if (!isSmall) this.buffer = null;
    this.queue(isSmall ? copyOf(buffer, bytes) : buffer.subarray(0, bytes), lines);
  }

  private queue(bytes: Buffer, lines: number): void {
    if (this.waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.droppedLines += lines;
      return;
    }
    this.waiting.push({ bytes, lines, at: 0 });
    this.waitingBytes += bytes.length;
    this.writeNext();
  }

  private writeNext(): void {
    const [piece] = this.waiting;
    if (this.isWriting || this.retryTimer !== null || this.isClosed) return;
    if (piece === undefined) {
      this.onDrained?.();
      return;
    }
    this.isWriting = true;
    write(this.fd, piece.bytes, piece.at, piece.bytes.length - piece.at, null, this.onWritten);
  }

  private readonly onWritten = (error: NodeJS.ErrnoException | null, bytes: number): void => {
    this.isWriting = false;
    if (this.isClosed) {
      this.settleLast(error === null ? bytes : 0);
      return;
    }
    if (error === null) {
      this.take(bytes);
      this.writeNext();
    } else if (error.code === 'EPIPE' || error.code === 'EBADF') {
      this.close();
    } else {
      const waitMs = error.code === 'EAGAIN' ? PIPE_RETRY_MS : RETRY_MS;
      this.retryTimer = setTimeout(this.onRetryTime, waitMs).unref();
    }
  };

  /**
   * Settles the piece that the operating system had when the output ended: either all of it was
   * written, or its lines count as dropped.
   */
  private settleLast(bytes: number): void {
    const { last } = this;
    this.last = null;
    if (last !== null && last.at + bytes < last.bytes.length) this.droppedLines += last.lines;
    this.onLastSettled?.();
  }

  private readonly onRetryTime = (): void => {
    this.retryTimer = null;
    this.writeNext();
  };

  /** Notes that more bytes of the first piece were written. */
  private take(bytes: number): void {
    const [piece] = this.waiting;
    if (piece === undefined) return;
    piece.at += bytes;
    if (piece.at < piece.bytes.length) return;
    this.waiting.shift();
    this.waitingBytes -= piece.bytes.length;
  }

  /**
   * Resolves when everything is written, or the wait is over. `droppedLines` is final then, but for
   * lines that come later.
   */
  async end(): Promise<void> {
    this.handOver();
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(resolve, LAST_WRITES_MS_MAX);
      this.onDrained = () => {
        clearTimeout(deadline);
        resolve();
      };
      if (this.isClosed) this.onDrained();
      else this.writeNext();
    });
    this.close();
    if (this.last !== null) await this.lastResult();
  }

  /**
   * The last write may still be waiting for a thread of Node's pool, or for a terminal that shows
   * nothing at the moment. Without a result in time its lines count as dropped.
   */
  private lastResult(): Promise<void> {
    return new Promise((resolve) => {
      const deadline = setTimeout(() => this.settleLast(0), LAST_RESULT_MS_MAX);
      this.onLastSettled = () => {
        clearTimeout(deadline);
        resolve();
      };
    });
  }

  /**
   * For a thread that ends now, as by an uncaught exception, whose reason is in the last lines. A
   * piece that the operating system has may be lost with the thread, so the piece is written again.
   */
  endNow(nowMs: () => number): void {
    if (this.isClosed) return;
    const endsByMs = nowMs() + LAST_WRITES_MS_MAX;
    // Stops writes in the background.
    this.isWriting = true;
    this.handOver();
    this.isWriting = false;
    while (this.waiting.length > 0 && this.tryWriteNow()) {
      if (nowMs() > endsByMs) break;
    }
    this.close();
  }

  /** False: nobody takes the lines, now or later. */
  private tryWriteNow(): boolean {
    const [piece] = this.waiting;
    if (piece === undefined) return false;
    try {
      this.take(writeSync(this.fd, piece.bytes, piece.at));
      return true;
    } catch (error) {
      // A thread that ends has nothing else to do: it waits by trying again.
      return (error as NodeJS.ErrnoException).code === 'EAGAIN';
    }
  }

  /** Drops the waiting lines and all that come later. */
  private close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.gatherTimer !== null) clearTimeout(this.gatherTimer);
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    if (this.isWriting) this.last = this.waiting.shift() ?? null;
    for (const { lines } of this.waiting) this.droppedLines += lines;
    this.droppedLines += this.lines;
    this.waiting.length = 0;
    this.waitingBytes = 0;
    this.lines = 0;
    this.buffer = null;
    this.onDrained?.();
  }
}

/**
 * A copy outside the shared pool, because a piece that waits for long would keep the pool's memory.
 */
function copyOf(buffer: Buffer, bytes: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes);
  buffer.copy(copy, 0, 0, bytes);
  return copy;
}
