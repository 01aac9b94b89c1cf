/**
 * Splits that are rolled out: which share of the requests is the new side's, and what both sides
 * had, by which it is judged.
 *
 * Thread: any (both ends). Worker k is the only writer of lane k's blocks; of a row the coordinator
 * writes all but the order, which the main thread writes. Workers read the share before each
 * request of such a route: so it is the same in all of them at once.
 *
 *     rows, one for each rollout, 128 bytes each
 *     +0   share in ten-thousandths, int32 (coordinator)
 *     +4   phase   +8 reason   +12 times taken back   +16 serial of the order that was obeyed
 *     +20  serial of the order (main)   +24 what is ordered   +28 its share
 *     +32  float64 each: see *_FIELD (coordinator)
 *
 *     blocks of a lane, two for each rollout (the old side, the new one), 576 bytes each (worker)
 *     +0   requests, int32, wrapping   +4 errors
 *     +64  counts of latencies by bucket, int32 each, wrapping
 *
 * An order is there once its serial is: the words of it are written before.
 */
import { assert } from '../../base/assert.js';
import { LATENCY_BUCKETS } from '../../base/latency-buckets.js';
import type { RolloutOrder, RolloutPhase, RolloutReason } from '../../base/rollout-words.js';

/** Fields of a row, float64 each. */
export const GROWN_FIELD = 0;
export const CHANGED_FIELD = 1;
export const OLD_REQUESTS_FIELD = 2;
export const OLD_ERRORS_FIELD = 3;
export const OLD_P99_FIELD = 4;
export const NEW_REQUESTS_FIELD = 5;
export const NEW_ERRORS_FIELD = 6;
export const NEW_P99_FIELD = 7;

/** The old side, and the new one. */
export const SIDE_OLD = 0;
export const SIDE_NEW = 1;

export type RolloutSide = typeof SIDE_OLD | typeof SIDE_NEW;

const ROW_WORDS = 32;
const PHASE_WORD = 1;
const REASON_WORD = 2;
const BACKS_WORD = 3;
const OBEYED_WORD = 4;
const ORDER_SERIAL_WORD = 5;
const ORDER_WORD = 6;
const ORDER_SHARE_WORD = 7;
const FIELDS_FLOAT = 4;
const ERRORS_WORD = 1;
const COUNTS_WORD = 16;
const BLOCK_WORDS = COUNTS_WORD + LATENCY_BUCKETS;
const SIDES = 2;

/** Pages of rollouts that nobody has are never touched and cost no memory. */
export function allocateRollouts(lanes: number, rollouts: number): SharedArrayBuffer {
  return new SharedArrayBuffer(rollouts * (ROW_WORDS + lanes * SIDES * BLOCK_WORDS) * 4);
}

function blockStart(rollouts: number, lane: number, row: number, side: RolloutSide): number {
  return rollouts * ROW_WORDS + ((lane * rollouts + row) * SIDES + side) * BLOCK_WORDS;
}

/** What a worker has of all rollouts. */
export class RolloutWriter {
  private readonly words: Int32Array;

  constructor(
    buffer: SharedArrayBuffer,
    private readonly lane: number,
    private readonly rollouts: number,
  ) {
    this.words = new Int32Array(buffer);
  }

  /** In ten-thousandths. Hot path: read before each request of a route that is rolled out. */
  shareOf(row: number): number {
    return Atomics.load(this.words, row * ROW_WORDS);
  }

  /** A request has ended. `latencyBucket` -1: there was no reply. */
  count(row: number, side: RolloutSide, isError: boolean, latencyBucket: number): void {
    const start = blockStart(this.rollouts, this.lane, row, side);
    this.add(start);
    if (isError) this.add(start + ERRORS_WORD);
    if (latencyBucket !== -1) this.add(start + COUNTS_WORD + latencyBucket);
  }

  private add(at: number): void {
    this.words[at] = ((this.words[at] as number) + 1) | 0;
  }
}

/** Sums of one side over all lanes; wrapping, so that only differences say something. */
export class SideCounts {
  requests = 0;
  errors = 0;
  readonly latencies = new Int32Array(LATENCY_BUCKETS);

  set(other: SideCounts): void {
    this.requests = other.requests;
    this.errors = other.errors;
    this.latencies.set(other.latencies);
  }

  /** Becomes what there was between the two. */
  between(start: SideCounts, end: SideCounts): void {
    this.requests = (end.requests - start.requests) | 0;
    this.errors = (end.errors - start.errors) | 0;
    for (let at = 0; at < LATENCY_BUCKETS; at += 1) {
      this.latencies[at] = (end.latencies[at] as number) - (start.latencies[at] as number);
    }
  }
}

/** An order of an operator, as it was written. */
export interface WrittenOrder {
  readonly serial: number;
  readonly order: RolloutOrder;
  readonly share: number;
}

/** What one side had in the span of time that is judged. */
export interface SideShown {
  readonly requests: number;
  readonly errors: number;
  readonly p99Ms: number;
}

/** How a rollout stands. */
export interface RolloutFigures {
  readonly phase: RolloutPhase;
  readonly reason: RolloutReason;
  /** In ten-thousandths. */
  readonly share: number;
  readonly grownMs: number;
  /** When its phase changed last, on the monotonic clock; 0: not yet. */
  readonly changedMs: number;
  /** How often its guard has taken it back. */
  readonly timesBack: number;
  readonly old: SideShown;
  readonly next: SideShown;
}

/** All rollouts. The coordinator writes rows through this view, the main thread orders. */
export class RolloutView {
  private readonly words: Int32Array;
  private readonly floats: Float64Array;
  private readonly lanes: number;

  constructor(
    buffer: SharedArrayBuffer,
    private readonly rollouts: number,
  ) {
    this.words = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
    const perRollout = this.words.length / Math.max(1, rollouts) - ROW_WORDS;
    this.lanes = rollouts === 0 ? 0 : perRollout / (SIDES * BLOCK_WORDS);
    assert(Number.isInteger(this.lanes), 'the buffer holds whole blocks');
  }

  shareOf(row: number): number {
    return Atomics.load(this.words, row * ROW_WORDS);
  }

  phaseOf(row: number): RolloutPhase {
    return Atomics.load(this.words, row * ROW_WORDS + PHASE_WORD) as RolloutPhase;
  }

  reasonOf(row: number): RolloutReason {
    return Atomics.load(this.words, row * ROW_WORDS + REASON_WORD) as RolloutReason;
  }

  /** How often the guard has taken it back. */
  backsOf(row: number): number {
    return Atomics.load(this.words, row * ROW_WORDS + BACKS_WORD);
  }

  fieldOf(row: number, field: number): number {
    return this.floats[(row * ROW_WORDS) / 2 + FIELDS_FLOAT + field] as number;
  }

  /** All of a row, for people. */
  figuresOf(row: number): RolloutFigures {
    const sideOf = (requests: number, errors: number, p99: number): SideShown => ({
      requests: this.fieldOf(row, requests),
      errors: this.fieldOf(row, errors),
      p99Ms: Math.round(this.fieldOf(row, p99) * 100) / 100,
    });
    return {
      phase: this.phaseOf(row),
      reason: this.reasonOf(row),
      share: this.shareOf(row),
      grownMs: this.fieldOf(row, GROWN_FIELD),
      changedMs: this.fieldOf(row, CHANGED_FIELD),
      timesBack: this.backsOf(row),
      old: sideOf(OLD_REQUESTS_FIELD, OLD_ERRORS_FIELD, OLD_P99_FIELD),
      next: sideOf(NEW_REQUESTS_FIELD, NEW_ERRORS_FIELD, NEW_P99_FIELD),
    };
  }

  /** Adds up the counts of all lanes, wrapping. */
  readSide(row: number, side: RolloutSide, into: SideCounts): void {
    into.requests = 0;
    into.errors = 0;
    into.latencies.fill(0);
    for (let lane = 0; lane < this.lanes; lane += 1) {
      const start = blockStart(this.rollouts, lane, row, side);
      into.requests = (into.requests + Atomics.load(this.words, start)) | 0;
      into.errors = (into.errors + Atomics.load(this.words, start + ERRORS_WORD)) | 0;
      for (let at = 0; at < LATENCY_BUCKETS; at += 1) {
        const count = this.words[start + COUNTS_WORD + at] as number;
        into.latencies[at] = (into.latencies[at] as number) + count;
      }
    }
  }

  /** Coordinator only. The share is the last of it that others see. */
  write(row: number, phase: RolloutPhase, reason: RolloutReason, share: number): void {
    const base = row * ROW_WORDS;
    Atomics.store(this.words, base + PHASE_WORD, phase);
    Atomics.store(this.words, base + REASON_WORD, reason);
    Atomics.store(this.words, base, share);
  }

  /** Coordinator only. */
  setField(row: number, field: number, value: number): void {
    this.floats[(row * ROW_WORDS) / 2 + FIELDS_FLOAT + field] = value;
  }

  /** Coordinator only: the guard has taken it back once more. */
  countBack(row: number): void {
    Atomics.add(this.words, row * ROW_WORDS + BACKS_WORD, 1);
  }

  /** Coordinator only: the order that was not obeyed yet; null: there is none. */
  orderOf(row: number): WrittenOrder | null {
    const base = row * ROW_WORDS;
    const serial = Atomics.load(this.words, base + ORDER_SERIAL_WORD);
    if (serial === Atomics.load(this.words, base + OBEYED_WORD)) return null;
    const order = Atomics.load(this.words, base + ORDER_WORD) as RolloutOrder;
    return { serial, order, share: Atomics.load(this.words, base + ORDER_SHARE_WORD) };
  }

  /** Coordinator only. */
  onObeyed(row: number, serial: number): void {
    Atomics.store(this.words, row * ROW_WORDS + OBEYED_WORD, serial);
  }

  /** Main thread only. Gives its serial; a later order takes the place of this one. */
  order(row: number, order: RolloutOrder, share: number): number {
    const base = row * ROW_WORDS;
    Atomics.store(this.words, base + ORDER_WORD, order);
    Atomics.store(this.words, base + ORDER_SHARE_WORD, share);
    return Atomics.add(this.words, base + ORDER_SERIAL_WORD, 1) + 1;
  }

  isObeyed(row: number, serial: number): boolean {
    return Atomics.load(this.words, row * ROW_WORDS + OBEYED_WORD) === serial;
  }
}

/** For the next owner of the row. Only differences of the counts of lanes say something. */
export function clearRollout(buffer: SharedArrayBuffer, row: number): void {
  new Int32Array(buffer).fill(0, row * ROW_WORDS, (row + 1) * ROW_WORDS);
}
