/**
 * Two real threads on one ring, from the build in dist/.
 *
 * Races that it forces: publish against park (a record that comes while the reader falls asleep);
 * space given back against a writer that runs out of it; records that wrap around the end while
 * the other side reads. Neither side polls when it has nothing to do: a wake that is lost leaves
 * the test waiting for ever. Forbidden: a record lost, doubled, out of order, or torn.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { allocateLane, type LaneMemory } from '../../src/channel/lane.js';
import type { Pace, RingThreadData, RingThreadReport } from '../support/ring-thread.js';

const THREAD = new URL('../../dist/test/support/ring-thread.js', import.meta.url);

interface Wish {
  readonly count: number;
  readonly ringBytes: number;
  readonly writer: Pace;
  readonly reader: Pace;
  readonly backlogBytesMax?: number;
  readonly position?: number;
}

/** As after a long life: both positions of both rings stand there. */
function laneAt(ringBytes: number, position: number): LaneMemory {
  const memory = allocateLane(ringBytes);
  const words = new Int32Array(memory.buffer);
  const second = (memory.buffer.byteLength / 2) >> 2;
  for (const word of [0, 32, second, second + 32]) words[word] = position;
  return memory;
}

function startThread(data: RingThreadData): Promise<RingThreadReport> {
  const thread = new Worker(THREAD, { workerData: data, transferList: [data.port] });
  return new Promise((resolve, reject) => {
    let report: RingThreadReport | null = null;
    thread.on('message', (message: RingThreadReport) => {
      report = message;
    });
    thread.on('error', reject);
    thread.on('exit', () => {
      if (report === null) reject(new Error(`the ${data.role} ended without a report`));
      else resolve(report);
    });
  });
}

async function run(wish: Wish) {
  const memory = laneAt(wish.ringBytes, wish.position ?? 0);
  const { port1, port2 } = new MessageChannel();
  const shared = {
    memory,
    count: wish.count,
    payloadBytesMax: Math.min(4096, (wish.ringBytes >> 2) - 16),
    seed: 20_260_101,
    backlogBytesMax: wish.backlogBytesMax ?? 0,
  };
  const [writer, reader] = await Promise.all([
    startThread({ ...shared, role: 'writer', port: port1, pace: wish.writer }),
    startThread({ ...shared, role: 'reader', port: port2, pace: wish.reader }),
  ]);
  expect(reader.mistake).toBe('');
  expect(reader.records).toBe(wish.count);
  expect(reader.bytes).toBe(writer.bytes);
  return { writer, reader };
}

const FAST: Pace = { burst: 64, work: 0 };
const LAZY: Pace = { burst: 3, work: 3000 };

describe('byte ring between two threads', () => {
  it('carries a million records in order when both run at full speed', async () => {
    await run({ count: 1_000_000, ringBytes: 1 << 20, writer: FAST, reader: FAST });
  });

  it('wakes a reader that falls asleep all the time', async () => {
    const { reader } = await run({
      count: 40_000,
      ringBytes: 1 << 16,
      writer: { burst: 2, work: 2000 },
      reader: FAST,
    });
    expect(reader.parks).toBeGreaterThan(100);
    expect(reader.wakes).toBeGreaterThan(100);
  });

  it('wakes a writer that runs out of space all the time', async () => {
    const { writer } = await run({ count: 40_000, ringBytes: 8192, writer: FAST, reader: LAZY });
    expect(writer.waits).toBeGreaterThan(100);
    expect(writer.wakes).toBeGreaterThan(100);
  });

  it('keeps the order of what queues outside of a tiny ring, across the wrap of positions', async () => {
    await run({
      count: 150_000,
      ringBytes: 1024,
      writer: { burst: 40, work: 0 },
      reader: { burst: 0, work: 100 },
      backlogBytesMax: 4000,
      position: 0x7fffff00,
    });
  });

  it('wraps its positions in the middle of full speed', async () => {
    const position = -(1 << 22);
    await run({ count: 200_000, ringBytes: 1 << 16, writer: FAST, reader: FAST, position });
  });
});
