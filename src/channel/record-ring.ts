/**
 * The ring of a thread's memory where records of its requests are kept for a replay.
 *
 * Thread: any (both ends). Like the log, it takes what ends in this thread.
 */
import { type CounterMemory, recordRingOffset } from './counter-block.js';
import { LineRingReader, LineRingWriter } from './line-ring.js';

/** Of a record in the log, too. */
const RECORD_BYTES_MAX = 4096;

/** Where a thread with `count` figures writes; null: records are not kept. */
export function recordRing(memory: CounterMemory, count: number): LineRingWriter | null {
  const offset = recordRingOffset(count);
  if (offset >= memory.byteLength) return null;
  return new LineRingWriter(memory, offset, RECORD_BYTES_MAX);
}

/**
 * The equal share of each thread that ends requests. A flood of refusals in one takes away only its
 * own records.
 */
export function recordBytesOf({
  admin,
  workers,
  acceptors,
}: {
  readonly admin: { readonly replayBytes: number };
  readonly workers: number;
  readonly acceptors: number;
}): number {
  return Math.floor(admin.replayBytes / (workers + acceptors));
}

/** What a thread has kept: records of finished requests, a line each, the oldest first. */
export function keptRecords(memory: CounterMemory, count: number): Buffer {
  const offset = recordRingOffset(count);
  return offset >= memory.byteLength ? Buffer.alloc(0) : new LineRingReader(memory, offset).read();
}
