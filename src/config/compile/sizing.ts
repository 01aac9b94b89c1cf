/**
 * Sizes that follow from the machine where the configuration says nothing: workers, their heaps,
 * lanes and the table of limiter keys.
 *
 * Thread: any (pure). Without a memory limit of a container everything has its full size: memory
 * that nobody touches costs nothing on a machine that swaps or reclaims. In a container the limit
 * is a wall: what is above it ends the process.
 */

import type { MachineLimits } from '../machine-limits.js';
import { DEFAULTS, WORKER_COUNT_MAX } from '../schema/defaults.js';

/** What is sized. Sizes in bytes unless the name says otherwise. */
export interface Sizing {
  /** Worker threads, at least 1. */
  readonly workers: number;
  /** Keys of limits that are remembered. */
  readonly trackedClients: number;
  /** Each of the two rings of a lane, a power of two. */
  readonly laneRingBytes: number;
  /** New objects of one worker, in MiB: V8 collects them when this much was made. */
  readonly youngGenerationMb: number;
  /** Old objects of one worker; 0: V8's own limit. */
  readonly workerHeapBytes: number;
}

/** What the configuration says; absent: it follows from the machine. */
export type ConfiguredSizes = Partial<
  Pick<Sizing, 'workers' | 'trackedClients' | 'workerHeapBytes'>
> & {
  /** The largest head of a reply that any upstream may give. */
  readonly replyHeadBytes?: number;
};

const MIB = 2 ** 20;

/** Measured at rest: main thread, coordinator, code, and what the process has besides workers. */
const PROCESS_BYTES = 96 * MIB;
/** Measured: one worker under load, with a heap that is kept small. */
const WORKER_BYTES_MIN = 64 * MIB;

const FULL: Omit<Sizing, 'workers'> = {
  trackedClients: DEFAULTS.limits.trackedClients,
  // What finds a ring full is copied twice: see LANE_RING_BYTES in channel/lane.ts.
  laneRingBytes: 4 * MIB,
  // Twice V8's own size: half as many collections, and what a request leaves is dead by then.
  youngGenerationMb: 96,
  workerHeapBytes: 0,
};

/**
 * A record is at most a quarter of its ring: a head, 128 KiB of body, and what filters add.
 */
const RECORD_BYTES_MAX = 160 * 1024;

/** Bytes of a limiter key in all tables, at the most. */
const TRACKED_CLIENT_BYTES = 128;
/** The part of the memory that limiter keys may take. */
const TRACKED_SHARE = 1 / 16;

/** The sizes for a machine. */
export function sizingFor(
  machine: MachineLimits,
  { replyHeadBytes = 0, ...configured }: ConfiguredSizes = {},
): Sizing {
  // One core stays free for the acceptor, which every request passes.
  const byCores = Math.min(WORKER_COUNT_MAX, Math.max(1, machine.cores - 1));
  const { memoryQuotaBytes } = machine;
  if (memoryQuotaBytes === null) return { workers: byCores, ...FULL, ...defined(configured) };
  const rest = Math.max(WORKER_BYTES_MIN, memoryQuotaBytes - PROCESS_BYTES);
  const byMemory = Math.max(1, Math.floor(rest / WORKER_BYTES_MIN));
  const workers = configured.workers ?? Math.min(byCores, byMemory);
  const perWorker = rest / workers;
  return {
    workers,
    trackedClients: Math.min(
      FULL.trackedClients,
      powerOfTwoBelow((memoryQuotaBytes * TRACKED_SHARE) / TRACKED_CLIENT_BYTES),
    ),
    laneRingBytes: clamp(
      powerOfTwoBelow(perWorker / 64),
      2 * powerOfTwoBelow(4 * (replyHeadBytes + RECORD_BYTES_MAX)),
      FULL.laneRingBytes,
    ),
    youngGenerationMb: clamp(Math.floor(perWorker / MIB / 6), 8, FULL.youngGenerationMb),
    workerHeapBytes: clamp(Math.floor(perWorker / MIB / 2), 32, 4096) * MIB,
    ...defined(configured),
  };
}

function defined(sizes: ConfiguredSizes): Partial<Sizing> {
  return Object.fromEntries(Object.entries(sizes).filter(([, size]) => size !== undefined));
}

function powerOfTwoBelow(value: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, value)));
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
