/** Real files, pipes and devices: what a destination does is the system's to say. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  open as openFile,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LineOutput } from '../../../src/observability/line-output.js';
import { eventually } from '../../support/eventually.js';

const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

let folder = '';
let fds: number[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'line-output-'));
});

afterEach(() => {
  vi.useRealTimers();
  for (const fd of fds) closeSync(fd);
  fds = [];
  rmSync(folder, { recursive: true });
});

function open(path: string, flags: number): number {
  const fd = openSync(path, flags, 0o600);
  fds.push(fd);
  return fd;
}

function close(fd: number): void {
  closeSync(fd);
  fds = fds.filter((one) => one !== fd);
}

function aFile(): { readonly fd: number; readonly path: string } {
  const path = join(folder, 'log');
  return { fd: open(path, O_WRONLY | O_CREAT | O_APPEND), path };
}

/** Both ends of a pipe, neither of which waits. */
function aPipe(): { readonly reader: number; readonly writer: number } {
  const path = join(folder, 'pipe');
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  const reader = open(path, O_RDONLY | O_NONBLOCK);
  return { reader, writer: open(path, O_WRONLY | O_NONBLOCK) };
}

/**
 * Holds up Node's thread pool, on which writes in the background run. The threads wait in the
 * kernel for a writer of a pipe, until `release` is called.
 */
function holdThreadPool(): { release(): Promise<void> } {
  const path = join(folder, 'nobody-writes');
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
  const opened = Array.from(
    { length: threads },
    () =>
      new Promise<void>((resolve, reject) => {
        openFile(path, O_RDONLY, (error, fd) => {
          if (error !== null) return reject(error);
          fds.push(fd);
          resolve();
        });
      }),
  );
  return {
    async release() {
      open(path, O_RDWR);
      await Promise.all(opened);
    },
  };
}

/** What the pipe holds now. */
function readAll(fd: number): string {
  const part = Buffer.alloc(1 << 20);
  let text = '';
  for (;;) {
    try {
      const bytes = readSync(fd, part, 0, part.length, null);
      if (bytes === 0) return text;
      text += part.toString('latin1', 0, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return text;
      throw error;
    }
  }
}

/** Lines with their number, of this length in characters. */
function aLine(number: number, chars = 100): string {
  return `${`${number} `.padEnd(chars - 1, 'x')}\n`;
}

function numbersOf(text: string): number[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      expect(line).toMatch(/^\d+ x+$/);
      return Number.parseInt(line, 10);
    });
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

describe('lines', () => {
  it('are written in order, whatever their length', async () => {
    const { fd, path } = aFile();
    const output = new LineOutput(fd, 4096);
    for (const at of upTo(3000)) output.write(aLine(at, at % 500 === 7 ? 9000 : 50 + (at % 300)));
    await output.end();
    expect(numbersOf(readFileSync(path, 'utf8'))).toEqual(upTo(3000));
    expect(output.droppedLines).toBe(0);
  });

  it('that came alone are written soon, without an end', async () => {
    const { fd, path } = aFile();
    new LineOutput(fd, 4096).write(aLine(0));
    await eventually('it is there', () => readFileSync(path, 'utf8') === aLine(0));
  });

  it('are counted when they find no room, and those that are not come to who reads late', async () => {
    const { reader, writer } = aPipe();
    const output = new LineOutput(writer, 4096);
    const total = 60_000;
    for (const at of upTo(total)) {
      output.write(aLine(at));
      // That is told before any line is lost, and not of what usually waits.
      if (at === 1000) expect(output.isBehind).toBe(false);
      if (output.droppedLines === 0) continue;
      expect(output.isBehind).toBe(true);
    }
    expect(output.droppedLines).toBeGreaterThan(10_000);
    let text = '';
    let ended = false;
    void output.end().then(() => {
      ended = true;
    });
    await eventually('all that had room was read', () => {
      text += readAll(reader);
      return ended;
    });
    text += readAll(reader);
    const numbers = numbersOf(text);
    expect(output.isBehind).toBe(false);
    expect(numbers).toHaveLength(total - output.droppedLines);
    expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
  });

  it('are all counted when nobody takes them before the end, but for what the pipe took', async () => {
    const { reader, writer } = aPipe();
    const output = new LineOutput(writer, 4096);
    for (const at of upTo(2000)) output.write(aLine(at));
    await output.end();
    const taken = numbersOf(readAll(reader)).length;
    expect(taken).toBeGreaterThan(100);
    expect(output.droppedLines).toBe(2000 - taken);
    output.write(aLine(0));
    expect(output.droppedLines).toBe(2001 - taken);
  });

  it('are all counted when the result of the last write comes after the end has waited', async () => {
    const { reader, writer } = aPipe();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const pool = holdThreadPool();
    const output = new LineOutput(writer, 4096);
    for (const at of upTo(100)) output.write(aLine(at));
    let hasEnded = false;
    const ended = output.end().then(() => {
      hasEnded = true;
    });
    await vi.advanceTimersByTimeAsync(2000);
    expect(hasEnded).toBe(false);
    await pool.release();
    await ended;
    expect(output.droppedLines).toBe(100 - numbersOf(readAll(reader)).length);
    expect(output.droppedLines).toBe(60);
  });

  it('are all counted when the result of the last write does not come at all', async () => {
    const { writer } = aPipe();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const pool = holdThreadPool();
    const output = new LineOutput(writer, 4096);
    for (const at of upTo(100)) output.write(aLine(at));
    const ended = output.end();
    await vi.advanceTimersByTimeAsync(3000);
    await ended;
    expect(output.droppedLines).toBe(100);
    await pool.release();
  });

  it('are all counted when the reader is gone', async () => {
    const { reader, writer } = aPipe();
    const output = new LineOutput(writer, 4096);
    for (const at of upTo(2000)) output.write(aLine(at));
    await eventually('the pipe is full', () => readAll(reader).length > 0);
    close(reader);
    await eventually('the end of the reader is seen', () => output.droppedLines > 0);
    const before = output.droppedLines;
    expect(before).toBeLessThan(2000);
    for (const at of upTo(10)) output.write(aLine(at));
    expect(output.droppedLines).toBe(before + 10);
    await output.end();
  });

  it('wait while the disk is full, and are counted at the end', async () => {
    const output = new LineOutput(open('/dev/full', O_WRONLY), 32 * 1024);
    for (const at of upTo(500)) output.write(aLine(at));
    await new Promise((resolve) => setImmediate(resolve));
    expect(output.droppedLines).toBe(0);
    await output.end();
    expect(output.droppedLines).toBe(500);
  });

  it('that wait in many small pieces hold on to little more than themselves', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const output = new LineOutput(open('/dev/full', O_WRONLY), 32 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    for (const at of upTo(4000)) {
      output.write(aLine(at));
      vi.advanceTimersByTime(100);
    }
    const held = process.memoryUsage().arrayBuffers - before;
    // A whole buffer each would be 128 MB; something older may be collected meanwhile.
    expect(held).toBeLessThan(4 * 4000 * 100);
    output.endNow(() => 0);
    expect(output.droppedLines).toBe(4000);
  });
});

describe('the end of a thread', () => {
  it('writes at once what waits, and what may be lost on its way once more', () => {
    const { fd, path } = aFile();
    const output = new LineOutput(fd, 4096);
    for (const at of upTo(500)) output.write(aLine(at));
    output.endNow(performance.now.bind(performance));
    // The first piece may be there twice: it was with the system.
    expect(new Set(numbersOf(readFileSync(path, 'utf8')))).toEqual(new Set(upTo(500)));
    expect(output.droppedLines).toBe(0);
  });

  it('does not wait for ever for who does not read', () => {
    const { writer } = aPipe();
    const output = new LineOutput(writer, 4096);
    for (const at of upTo(3000)) output.write(aLine(at));
    let nowMs = 0;
    output.endNow(() => {
      nowMs += 500;
      return nowMs;
    });
    expect(output.droppedLines).toBeGreaterThan(1000);
  });
});
