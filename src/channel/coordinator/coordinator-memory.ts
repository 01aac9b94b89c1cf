/**
 * All the shared memory between the coordinator and everybody else.
 *
 * Thread: any (both ends). The main thread allocates it once and keeps it, so that a coordinator
 * that is started again finds its state as it was, and so that state outlives a configuration.
 *
 *     region         written by               read by
 *     lanes[k]       worker k, coordinator    coordinator, worker k   (a ring each way)
 *     control        main                     coordinator             (a ring one way)
 *     status         coordinator, see there   all
 *     targets        coordinator              all
 *     standings      coordinator              all
 *     slots          main, coordinator        all                     (target-slots.ts)
 *     loads          worker k: its block      all
 *     upstreams      coordinator              coordinator             (turns)
 *     probes         coordinator              coordinator             (who holds which ticket)
 *     compactBuckets coordinator              coordinator             (limiter rows)
 *     wideBuckets    coordinator              coordinator             (limiter rows; may be empty)
 *     largeBuckets   coordinator              coordinator             (limiter rows; may be empty)
 *     inFlight       coordinator              coordinator             (who is in flight, by limit)
 *     returns        coordinator              coordinator             (returns that were taken in)
 *     limitCounts    coordinator, worker k    all                     (the coordinator's first)
 *     concurrency    coordinator, worker k    all                     (concurrency-memory.ts)
 *     rollouts       coordinator, worker k    all                     (rollout-memory.ts)
 */
import { assert } from '../../base/assert.js';
import { allocateConcurrency } from './concurrency-memory.js';
import { allocateCoordinatorStatus } from './coordinator-status.js';
import { allocateLimitCounts } from './limit-counts.js';
import { allocateRollouts } from './rollout-memory.js';
import { allocateSlotRing } from './slot-ring.js';
import { allocateTargetLoads } from './target-loads.js';
import { allocateTargetSlots } from './target-slots.js';
import { allocateTargetStates } from './target-states.js';
import { allocateUpstreamStandings } from './upstream-standings.js';

/** Slots of a worker's ring to the coordinator: asks and tells. */
export const REQUEST_SLOTS = 4096;
/** Asks that a worker may wait for at one time: half of the slots for replies. */
export const ASKS_PENDING_MAX = 2048;
const REPLY_SLOTS = 2 * ASKS_PENDING_MAX;
const CONTROL_SLOTS = 256;
const WORKERS_MAX = 1024;

export interface CoordinatorLaneRings {
  /** Asks and tells. */
  readonly requests: SharedArrayBuffer;
  readonly replies: SharedArrayBuffer;
}

/** All regions, as the coordinator and the main thread hold them. Can be cloned to a thread. */
export interface CoordinatorMemory {
  readonly lanes: readonly CoordinatorLaneRings[];
  readonly control: SharedArrayBuffer;
  readonly status: SharedArrayBuffer;
  readonly targets: SharedArrayBuffer;
  readonly standings: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly loads: SharedArrayBuffer;
  readonly upstreams: SharedArrayBuffer;
  readonly probes: SharedArrayBuffer;
  readonly compactBuckets: SharedArrayBuffer;
  readonly wideBuckets: SharedArrayBuffer;
  readonly largeBuckets: SharedArrayBuffer;
  readonly inFlight: SharedArrayBuffer;
  readonly returns: SharedArrayBuffer;
  /** The coordinator's buffer, then one for each lane. */
  readonly limitCounts: readonly SharedArrayBuffer[];
  readonly concurrency: SharedArrayBuffer;
  readonly rollouts: SharedArrayBuffer;
}

/** The regions that worker k gets. Can be cloned to a thread. */
export interface CoordinatorLaneMemory {
  readonly lane: number;
  readonly rings: CoordinatorLaneRings;
  readonly status: SharedArrayBuffer;
  readonly targets: SharedArrayBuffer;
  readonly standings: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly loads: SharedArrayBuffer;
  readonly limitCounts: SharedArrayBuffer;
  readonly concurrency: SharedArrayBuffer;
  readonly rollouts: SharedArrayBuffer;
}

/** Sizes of the regions. The coordinator's own tables say their sizes in bytes. */
export interface CoordinatorShape {
  readonly workers: number;
  readonly targets: number;
  readonly upstreams: number;
  readonly upstreamBytes: number;
  readonly probeBytes: number;
  readonly compactBucketBytes: number;
  readonly wideBucketBytes: number;
  readonly largeBucketBytes: number;
  readonly inFlightBytes: number;
  readonly returnBytes: number;
  readonly limiters: number;
  readonly rollouts: number;
}

/** Pages that nobody touches cost no memory, so large tables may be sized for the worst case. */
export function allocateMemory(shape: CoordinatorShape): CoordinatorMemory {
  assert(shape.workers >= 1 && shape.workers <= WORKERS_MAX, 'between 1 and 1024 workers');
  return {
    lanes: Array.from({ length: shape.workers }, () => ({
      requests: allocateSlotRing(REQUEST_SLOTS),
      replies: allocateSlotRing(REPLY_SLOTS),
    })),
    control: allocateSlotRing(CONTROL_SLOTS),
    status: allocateCoordinatorStatus(shape.workers),
    targets: allocateTargetStates(shape.targets),
    standings: allocateUpstreamStandings(shape.upstreams),
    slots: allocateTargetSlots(shape.targets),
    loads: allocateTargetLoads(shape.workers, Math.max(1, shape.targets)),
    upstreams: new SharedArrayBuffer(shape.upstreamBytes),
    probes: new SharedArrayBuffer(shape.probeBytes),
    compactBuckets: new SharedArrayBuffer(shape.compactBucketBytes),
    wideBuckets: new SharedArrayBuffer(shape.wideBucketBytes),
    largeBuckets: new SharedArrayBuffer(shape.largeBucketBytes),
    inFlight: new SharedArrayBuffer(shape.inFlightBytes),
    returns: new SharedArrayBuffer(shape.returnBytes),
    limitCounts: Array.from({ length: 1 + shape.workers }, () =>
      allocateLimitCounts(shape.limiters),
    ),
    concurrency: allocateConcurrency(shape.workers, shape.upstreams),
    rollouts: allocateRollouts(shape.workers, shape.rollouts),
  };
}

export function laneMemoryOf(memory: CoordinatorMemory, lane: number): CoordinatorLaneMemory {
  const rings = memory.lanes[lane];
  const limitCounts = memory.limitCounts[lane + 1];
  assert(rings !== undefined && limitCounts !== undefined, 'the lane has its memory');
  const { status, targets, standings, slots, loads, concurrency, rollouts } = memory;
  const shared = { status, targets, standings, slots, loads, concurrency, rollouts };
  return { lane, rings, limitCounts, ...shared };
}

/**
 * Copies the shared tables, so that a coordinator on `to` decides as the one on `from` would. Rings
 * and the rows of limiter keys, which are large, are not copied. `from` may change meanwhile.
 */
export function copyTables(from: CoordinatorMemory, to: CoordinatorMemory): void {
  copyBytes(from.status, to.status);
  copyBytes(from.targets, to.targets);
  copyBytes(from.standings, to.standings);
  copyBytes(from.loads, to.loads);
  copyBytes(from.upstreams, to.upstreams);
  copyBytes(from.probes, to.probes);
  copyBytes(from.inFlight, to.inFlight);
  copyBytes(from.rollouts, to.rollouts);
}

function copyBytes(from: SharedArrayBuffer, to: SharedArrayBuffer): void {
  new Uint8Array(to).set(new Uint8Array(from));
}
