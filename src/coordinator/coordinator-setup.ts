/**
 * What the main thread prepares for the coordinator's thread.
 *
 * Thread: any (both ends). Called by the supervisor, which keeps the memory while coordinators
 * come and go.
 */
import type { MessagePort } from 'node:worker_threads';
import { allocateMemory, type CoordinatorMemory } from '../channel/coordinator-memory.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { needsRow, rowWordsOf } from './limiters.js';
import {
  bucketRowCount,
  bucketTableBytes,
  COMPACT_ROW_WORDS,
  LARGE_ROW_WORDS,
  WIDE_ROW_WORDS,
} from './state/bucket-layout.js';
import { inFlightLedgerBytes } from './state/in-flight-ledger.js';
import { probeLedgerBytes } from './state/probe-ledger.js';
import { returnSerialsBytes } from './state/return-serials.js';
import { probeCounts } from './state/target-table.js';
import { cursorBytes } from './state/turn-table.js';

/** The workerData of the coordinator's thread. */
export interface CoordinatorThreadData {
  readonly config: CompiledConfig;
  readonly memory: CoordinatorMemory;
  /** By lane; in the transfer list. Missing: it comes by mail, and until then nobody is woken. */
  readonly wakePorts: readonly (MessagePort | null)[];
}

/** Memory for one configuration; `workers` lanes. A table that no limiter needs has no bytes. */
export function allocateCoordinatorMemory(config: CompiledConfig): CoordinatorMemory {
  const rows = bucketRowCount(config.limits.trackedClients);
  const rowWords = new Set(config.limiters.filter(needsRow).map(rowWordsOf));
  const tableBytes = (words: number): number =>
    rowWords.has(words) ? bucketTableBytes(rows, words) : 0;
  const countsInFlight = config.limiters.some((limiter) => limiter.algorithm === 'inFlight');
  const probes = probeCounts(config).reduce((sum, count) => sum + count, 0);
  return allocateMemory({
    epoch: config.epoch,
    workers: config.workers,
    targets: config.targets.length,
    upstreams: config.upstreams.length,
    upstreamBytes: cursorBytes(config.upstreams.length),
    probeBytes: probeLedgerBytes(probes),
    compactBucketBytes: tableBytes(COMPACT_ROW_WORDS),
    wideBucketBytes: tableBytes(WIDE_ROW_WORDS),
    largeBucketBytes: tableBytes(LARGE_ROW_WORDS),
    inFlightBytes: countsInFlight ? inFlightLedgerBytes(config.limits.inFlight) : 0,
    returnBytes: returnSerialsBytes(config.workers),
    limiters: config.limiters.length,
  });
}
