/**
 * What is known of each target: its breaker, in shared memory.
 *
 * Thread: any (both ends). The coordinator is the only writer; workers look at the state before
 * they use a grant, and admin shows the rest.
 *
 *     row of target i: 128 bytes from i * 128
 *     +0   state, the only word that others act upon       +16  serial of the last ticket
 *     +4   failures in a row                               +20  times opened
 *     +8   generation                                      +24  since when in this state, float64
 *     +12  probes in flight                                +32… (free)
 *
 * A breaker whose open time is over reads OPEN until an ask makes it half-open.
 */
import { assert } from '../base/assert.js';

export const TARGET_CLOSED = 0;
export const TARGET_OPEN = 1;
export const TARGET_HALF_OPEN = 2;

const ROW_SHIFT = 5;
const ROW_FLOAT_SHIFT = 4;
const FAILURES_WORD = 1;
const GENERATION_WORD = 2;
const PROBES_WORD = 3;
const SERIAL_WORD = 4;
const OPENS_WORD = 5;
const SINCE_FLOAT = 3;
const ROW_BYTES = 128;
const STATE_NAMES = ['CLOSED', 'OPEN', 'HALF_OPEN'] as const;

export type TargetStateName = (typeof STATE_NAMES)[number];

export function allocateTargetStates(targetCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(1, targetCount) * ROW_BYTES);
}

/** What any thread may read. */
export class TargetStateView {
  protected readonly words: Int32Array;
  protected readonly floats: Float64Array;
  readonly targetCountMax: number;

  constructor(buffer: SharedArrayBuffer) {
    assert(buffer.byteLength % ROW_BYTES === 0, 'the buffer holds whole rows');
    this.words = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
    this.targetCountMax = buffer.byteLength / ROW_BYTES;
  }

  /** Hot path: read before every granted pick. */
  isClosed(targetIndex: number): boolean {
    return Atomics.load(this.words, targetIndex << ROW_SHIFT) === TARGET_CLOSED;
  }

  stateOf(targetIndex: number): number {
    return Atomics.load(this.words, targetIndex << ROW_SHIFT);
  }

  /** As /stats shows it. */
  stateNameOf(targetIndex: number): TargetStateName {
    return STATE_NAMES[this.stateOf(targetIndex)] ?? 'OPEN';
  }

  failuresOf(targetIndex: number): number {
    return this.word(targetIndex, FAILURES_WORD);
  }

  probesOf(targetIndex: number): number {
    return this.word(targetIndex, PROBES_WORD);
  }

  /** How often its breaker has opened. */
  opensOf(targetIndex: number): number {
    return this.word(targetIndex, OPENS_WORD);
  }

  /** When it came into its state, on the monotonic clock; 0: it was never anything but closed. */
  sinceMsOf(targetIndex: number): number {
    return this.floats[(targetIndex << ROW_FLOAT_SHIFT) + SINCE_FLOAT] as number;
  }

  protected word(targetIndex: number, word: number): number {
    return this.words[(targetIndex << ROW_SHIFT) + word] as number;
  }
}

/** Coordinator only: one row at a time, as plain fields. */
export class TargetStateRow extends TargetStateView {
  private base = 0;
  private floatBase = 0;

  bind(targetIndex: number): this {
    assert(targetIndex >= 0 && targetIndex < this.targetCountMax, 'the target has a row');
    this.base = targetIndex << ROW_SHIFT;
    this.floatBase = targetIndex << ROW_FLOAT_SHIFT;
    return this;
  }

  get state(): 0 | 1 | 2 {
    return this.words[this.base] as 0 | 1 | 2;
  }
  set state(value: 0 | 1 | 2) {
    if (value === TARGET_OPEN) this.put(OPENS_WORD, this.get(OPENS_WORD) + 1);
    Atomics.store(this.words, this.base, value);
  }
  get failures(): number {
    return this.get(FAILURES_WORD);
  }
  set failures(value: number) {
    this.put(FAILURES_WORD, value);
  }
  get generation(): number {
    return this.get(GENERATION_WORD);
  }
  set generation(value: number) {
    this.put(GENERATION_WORD, value);
  }
  get probes(): number {
    return this.get(PROBES_WORD);
  }
  set probes(value: number) {
    this.put(PROBES_WORD, value);
  }
  get serial(): number {
    return this.get(SERIAL_WORD);
  }
  set serial(value: number) {
    this.put(SERIAL_WORD, value);
  }
  get sinceMs(): number {
    return this.floats[this.floatBase + SINCE_FLOAT] as number;
  }
  set sinceMs(value: number) {
    this.floats[this.floatBase + SINCE_FLOAT] = value;
  }

  private get(word: number): number {
    return this.words[this.base + word] as number;
  }

  private put(word: number, value: number): void {
    this.words[this.base + word] = value;
  }
}
