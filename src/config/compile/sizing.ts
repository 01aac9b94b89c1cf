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
  /** Threads that take connections, at most as many as workers. */
  readonly acceptors: number;
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
  Pick<Sizing, 'workers' | 'acceptors' | 'trackedClients' | 'workerHeapBytes'>
> & {
  /** Some listener cannot have several acceptors, or is better with one. */
  readonly needsOneAcceptor?: boolean;
  /** The largest head of a reply that any upstream may give. */
  readonly replyHeadBytes?: number;
};

const MIB = 2 ** 20;

/** Measured at rest: main thread, coordinator, code, and what the process has besides workers. */
const PROCESS_BYTES = 96 * MIB;
/** Measured: one worker under load, with a heap that is kept small. */
const WORKER_BYTES_MIN = 64 * MIB;

/** With fewer cores one acceptor keeps all workers busy. */
const CORES_FOR_TWO_ACCEPTORS = 6;
/**
 * By their parts of a plain GET, 13 and 17 microseconds; requests through filters need more of the
 * workers, so that the rest is rounded down.
 */
const ACCEPTORS_PER_CORE = 3 / 8;
const ACCEPTORS_PER_WORKER = 3 / 5;

const FULL: Omit<Sizing, 'workers' | 'acceptors'> = {
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
  { replyHeadBytes = 0, needsOneAcceptor = false, ...configured }: ConfiguredSizes = {},
): Sizing {
  const { memoryQuotaBytes } = machine;
  const rest = Math.max(WORKER_BYTES_MIN, (memoryQuotaBytes ?? 0) - PROCESS_BYTES);
  const byMemory =
    memoryQuotaBytes === null
      ? Number.POSITIVE_INFINITY
      : Math.max(1, Math.floor(rest / WORKER_BYTES_MIN));
  const threads = threadsFor(machine, byMemory, { ...configured, needsOneAcceptor });
  if (memoryQuotaBytes === null) return { ...FULL, ...defined(configured), ...threads };
  const perWorker = rest / (threads.workers + threads.acceptors - 1);
  return {
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
    ...threads,
  };
}

/** What is to be said where these threads do not fit under the memory limit; '': they do. */
export function memoryLack({
  acceptors,
  workers,
  machine,
}: Pick<Sizing, 'acceptors' | 'workers'> & { readonly machine: MachineLimits }): string {
  const { memoryQuotaBytes } = machine;
  const threads = workers + acceptors - 1;
  const wantedBytes = PROCESS_BYTES + threads * WORKER_BYTES_MIN;
  if (memoryQuotaBytes === null || memoryQuotaBytes >= wantedBytes) return '';
  const limit = `the memory limit of this process is ${Math.floor(memoryQuotaBytes / MIB)} MiB`;
  const wanted = `under load its threads want ${wantedBytes / MIB} MiB`;
  const others = threads > 1 ? ', or set fewer "workers"' : '';
  return `${limit}, and ${wanted}: above the limit the system kills it; raise the limit${others}`;
}

/** Acceptors and workers for the cores, and for the memory that bounds workers. */
function threadsFor(
  { cores }: MachineLimits,
  byMemory: number,
  { workers, acceptors, needsOneAcceptor = false }: ConfiguredSizes,
): Pick<Sizing, 'workers' | 'acceptors'> {
  if (acceptors !== undefined) {
    const others = Math.max(acceptors, Math.min(cores - acceptors, byMemory));
    return { acceptors, workers: workers ?? Math.min(WORKER_COUNT_MAX, others) };
  }
  const hasCores = cores >= CORES_FOR_TWO_ACCEPTORS && !needsOneAcceptor;
  // Where memory bounds the workers, one acceptor is enough for them.
  const byCores = Math.min(WORKER_COUNT_MAX, Math.floor(cores * ACCEPTORS_PER_CORE));
  const several = hasCores && byMemory >= cores ? byCores : 1;
  const served = workers === undefined ? several : Math.floor(workers * ACCEPTORS_PER_WORKER);
  const chosen = clamp(served, 1, several);
  const others = Math.max(1, Math.min(WORKER_COUNT_MAX, cores - chosen, byMemory));
  return { acceptors: chosen, workers: workers ?? others };
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
