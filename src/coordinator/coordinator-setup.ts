/**
 * What the main thread prepares for the coordinator's thread.
 *
 * Thread: any (both ends). Called by the supervisor, which keeps the memory while coordinators
 * come and go.
 */
import {
  allocateMemory,
  type CoordinatorMemory,
} from '../channel/coordinator/coordinator-memory.js';
import type { WakePort } from '../channel/coordinator/coordinator-messages.js';
import { clearLimitCounts } from '../channel/coordinator/limit-counts.js';
import { clearRollout } from '../channel/coordinator/rollout-memory.js';
import { clearTargetLoads } from '../channel/coordinator/target-loads.js';
import { SLOT_FREE, TargetSlotWriter } from '../channel/coordinator/target-slots.js';
import { clearTargetState } from '../channel/coordinator/target-states.js';
import type { StoreMemory } from '../channel/store/store-channel.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import type { SharedConfig } from '../config/shared/shared-config.js';
import {
  bucketRowCount,
  bucketTableBytes,
  COMPACT_ROW_WORDS,
  LARGE_ROW_WORDS,
  WIDE_ROW_WORDS,
} from './state/bucket-layout.js';
import { inFlightTicketsBytes } from './state/in-flight-tickets.js';
import { clearProbePlaces, probeTableBytes } from './state/probe-table.js';
import { returnSerialsBytes } from './state/return-serials.js';
import { clearCursor, cursorBytes } from './state/turn-table.js';

/** The workerData of the coordinator's thread. */
export interface CoordinatorThreadData {
  /** Versions to answer for, oldest first; the last is in force. */
  readonly configs: readonly SharedConfig[];
  readonly memory: CoordinatorMemory;
  /** null: no store is configured. */
  readonly storeMemory: StoreMemory | null;
  /**
   * By lane; in the transfer list. Null: the port comes by mail, and until then nobody is woken.
   */
  readonly wakePorts: readonly (WakePort | null)[];
}

/**
 * Allocates memory for this configuration and the ones that follow it, with a lane for each worker.
 * There is room for every kind of limit, whether or not the first configuration has one: pages that
 * nobody touches cost nothing.
 */
export function allocateCoordinatorMemory(
  config: Pick<CompiledConfig, 'capacity' | 'limits' | 'workers'>,
): CoordinatorMemory {
  const { capacity, limits, workers } = config;
  const rows = bucketRowCount(limits.trackedClients);
  return allocateMemory({
    workers,
    targets: capacity.targets,
    upstreams: capacity.upstreams,
    upstreamBytes: cursorBytes(capacity.upstreams),
    probeBytes: probeTableBytes(capacity.targets),
    compactBucketBytes: bucketTableBytes(rows, COMPACT_ROW_WORDS),
    wideBucketBytes: bucketTableBytes(rows, WIDE_ROW_WORDS),
    largeBucketBytes: bucketTableBytes(rows, LARGE_ROW_WORDS),
    inFlightBytes: inFlightTicketsBytes(limits.inFlight),
    returnBytes: returnSerialsBytes(workers),
    limiters: capacity.limiters,
    rollouts: capacity.rollouts,
  });
}

/** Rows that no configuration uses any more, by kind. */
export interface FreedRows {
  readonly upstreams: readonly number[];
  readonly targets: readonly number[];
  readonly limiters: readonly number[];
  readonly rollouts: readonly number[];
}

/**
 * Clears rows for new owners. To be called when neither the coordinator nor a worker knows the rows
 * any more: the main thread is their only writer at that time. Rows of limiter keys are not among
 * them: the coordinator frees these itself.
 */
export function clearRows(memory: CoordinatorMemory, freed: FreedRows): void {
  for (const row of freed.upstreams) clearCursor(memory.upstreams, row);
  const slots = new TargetSlotWriter(memory.slots);
  for (const row of freed.targets) {
    slots.setPhase(row, SLOT_FREE);
    clearTargetState(memory.targets, row);
    clearTargetLoads(memory.loads, memory.lanes.length, row);
    clearProbePlaces(memory.probes, row);
  }
  for (const row of freed.limiters) clearLimitCounts(memory.limitCounts, row);
  for (const row of freed.rollouts) clearRollout(memory.rollouts, row);
}
