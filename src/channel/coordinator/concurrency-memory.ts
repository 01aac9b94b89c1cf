/**
 * Requests in flight and their latencies for each upstream whose concurrency is adapted, and the
 * limit that the coordinator computes from them.
 *
 * Thread: any (both ends). Worker k is the only writer of lane k's block, the coordinator the only
 * writer of the rows of limits. The block of a worker that died is of an earlier generation: its
 * requests in flight count no more from that moment on.
 *
 *     rows, one for each upstream, 128 bytes each (coordinator)
 *     +0   limit, int32
 *     +8   state of the controller, float64 each, see *_FIELD
 *
 *     blocks of a lane, one for each upstream, 768 bytes each (worker)
 *     +0   generation   +4 in flight
 *     +128 counts of latencies by bucket, int32 each, wrapping
 */
import { assert } from '../../base/assert.js';
import { LATENCY_BUCKETS } from '../../base/latency-buckets.js';
import type { CoordinatorStatus } from './coordinator-status.js';

/** Fields of a row, float64 each. */
export const MIN_RTT_FIELD = 0;
export const PHASE_FIELD = 1;
export const LIMIT_BEFORE_FIELD = 2;
export const NEXT_MEASURE_FIELD = 3;
export const AT_MIN_FIELD = 4;

const ROW_WORDS = 32;
const FIELDS_FLOAT = 1;
const FIELDS_MAX = ROW_WORDS / 2 - FIELDS_FLOAT;
const COUNTS_WORD = 32;
const BLOCK_WORDS = COUNTS_WORD + LATENCY_BUCKETS + 32;
const IN_FLIGHT_WORD = 1;

/**
 * `upstreams`: the number of upstreams that find room. The pages of an upstream that is not adapted
 * are never touched and cost no memory.
 */
export function allocateConcurrency(lanes: number, upstreams: number): SharedArrayBuffer {
  return new SharedArrayBuffer(upstreams * (ROW_WORDS + lanes * BLOCK_WORDS) * 4);
}

function blockStart(upstreams: number, lane: number, slot: number): number {
  return upstreams * ROW_WORDS + (lane * upstreams + slot) * BLOCK_WORDS;
}

/** The view that a worker has of one upstream. `slot` is the upstream's index. */
export class ConcurrencyWriter {
  private readonly words: Int32Array;
  private readonly start: number;
  private readonly row: number;
  private readonly view: ConcurrencyView;

  constructor(
    buffer: SharedArrayBuffer,
    { lane, slot, upstreams }: { lane: number; slot: number; upstreams: number },
    private readonly status: CoordinatorStatus,
  ) {
    this.words = new Int32Array(buffer);
    this.view = new ConcurrencyView(buffer, upstreams, this.status);
    this.row = slot * ROW_WORDS;
    this.slot = slot;
    this.start = blockStart(upstreams, lane, slot);
    this.words[this.start + IN_FLIGHT_WORD] = 0;
    Atomics.store(this.words, this.start, status.generationOf(lane));
  }

  private readonly slot: number;

  /** The limit that the coordinator computed last; 0: none yet. */
  get limit(): number {
    return Atomics.load(this.words, this.row);
  }

  /** Requests in flight of all workers. */
  get inFlight(): number {
    return this.view.inFlightOf(this.slot);
  }

  add(amount: 1 | -1): void {
    const at = this.start + IN_FLIGHT_WORD;
    // This worker is the only writer, so the value that it read is still current.
    Atomics.store(this.words, at, (this.words[at] as number) + amount);
  }

  countLatency(bucket: number): void {
    const at = this.start + COUNTS_WORD + bucket;
    this.words[at] = ((this.words[at] as number) + 1) | 0;
  }
}

/** All upstreams, for reading. The coordinator also writes the rows through this view. */
export class ConcurrencyView {
  private readonly words: Int32Array;
  private readonly floats: Float64Array;
  private readonly lanes: number;

  constructor(
    buffer: SharedArrayBuffer,
    private readonly upstreams: number,
    private readonly status: CoordinatorStatus,
  ) {
    this.words = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
    const lanes = (this.words.length / Math.max(1, upstreams) - ROW_WORDS) / BLOCK_WORDS;
    this.lanes = upstreams === 0 ? 0 : lanes;
    assert(Number.isInteger(this.lanes), 'the buffer holds whole blocks');
  }

  /** Requests in flight, of workers that live. */
  inFlightOf(slot: number): number {
    let sum = 0;
    for (let lane = 0; lane < this.lanes; lane += 1) {
      const start = blockStart(this.upstreams, lane, slot);
      if (Atomics.load(this.words, start) !== this.status.generationOf(lane)) continue;
      sum += Math.max(0, Atomics.load(this.words, start + IN_FLIGHT_WORD));
    }
    return sum;
  }

  /** Adds up the counts of all lanes, wrapping. */
  readCounts(slot: number, into: Int32Array): void {
    into.fill(0);
    for (let lane = 0; lane < this.lanes; lane += 1) {
      const start = blockStart(this.upstreams, lane, slot) + COUNTS_WORD;
      for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket += 1) {
        into[bucket] = ((into[bucket] as number) + (this.words[start + bucket] as number)) | 0;
      }
    }
  }

  limitOf(slot: number): number {
    return Atomics.load(this.words, slot * ROW_WORDS);
  }

  /** Coordinator only. */
  setLimit(slot: number, limit: number): void {
    Atomics.store(this.words, slot * ROW_WORDS, limit);
  }

  /** The latency without load; 0: not measured yet. */
  minRttMsOf(slot: number): number {
    return this.fieldOf(slot, MIN_RTT_FIELD);
  }

  fieldOf(slot: number, field: number): number {
    assert(field >= 0 && field < FIELDS_MAX, 'the field lies in its row');
    return this.floats[(slot * ROW_WORDS) / 2 + FIELDS_FLOAT + field] as number;
  }

  /** Coordinator only. */
  setField(slot: number, field: number, value: number): void {
    assert(field >= 0 && field < FIELDS_MAX, 'the field lies in its row');
    this.floats[(slot * ROW_WORDS) / 2 + FIELDS_FLOAT + field] = value;
  }
}
