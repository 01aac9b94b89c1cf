/**
 * How many tries each worker has in flight at each target, in shared memory.
 *
 * Thread: any (both ends). Worker k is the only writer of lane k's block; the coordinator and admin
 * read. No message reports the end of a try that its worker did not survive: the block of a dead
 * worker is of an earlier generation, and its tries in flight count no more from that moment on.
 *
 *     block of a lane, in whole lines of 128 bytes
 *     word 0            generation of the worker that writes here
 *     word 32 + 4 * i   target i: in flight
 *     +1                admitting replies that came in, wrapping; goes on from worker to worker
 *     +2                successes, wrapping; likewise
 *     +3                (free)
 */
import { assert } from '../../base/assert.js';
import type { CoordinatorStatus } from './coordinator-status.js';

const LINE_WORDS = 32;
const TARGET_WORDS = 4;
const HEARD_WORD = 1;
const SUCCESSES_WORD = 2;

function blockWords(targetCount: number): number {
  const words = LINE_WORDS + targetCount * TARGET_WORDS;
  return Math.ceil(words / LINE_WORDS) * LINE_WORDS;
}

export function allocateTargetLoads(laneCount: number, targetCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(laneCount * blockWords(targetCount) * 4);
}

/**
 * Main thread: clears the target's words in all lanes for another target; nobody else uses them at
 * this time.
 */
export function clearTargetLoads(
  buffer: SharedArrayBuffer,
  laneCount: number,
  targetIndex: number,
): void {
  const words = new Int32Array(buffer);
  const stride = words.length / laneCount;
  for (let lane = 0; lane < laneCount; lane += 1) {
    const start = lane * stride + LINE_WORDS + targetIndex * TARGET_WORDS;
    words.fill(0, start, start + TARGET_WORDS);
  }
}

/** A worker's own block. Hot path (bench/gateway/plain-get): two writes for every try. */
export class TargetLoadWriter {
  private readonly words: Int32Array;
  private readonly start: number;

  constructor(buffer: SharedArrayBuffer, targetCount: number, lane: number, generation: number) {
    this.words = new Int32Array(buffer);
    const base = lane * blockWords(targetCount);
    this.start = base + LINE_WORDS;
    for (let target = 0; target < targetCount; target += 1) {
      this.words[this.start + target * TARGET_WORDS] = 0;
    }
    Atomics.store(this.words, base, generation);
  }

  /** A reply that admits a try has come in, and the try begins. */
  beginAnswered(targetIndex: number): void {
    this.add(targetIndex, HEARD_WORD, 1);
    this.add(targetIndex, 0, 1);
  }

  /** A try begins under a grant. */
  beginGranted(targetIndex: number): void {
    this.add(targetIndex, 0, 1);
  }

  end(targetIndex: number, isSuccess: boolean): void {
    this.add(targetIndex, 0, -1);
    if (isSuccess) this.add(targetIndex, SUCCESSES_WORD, 1);
  }

  private add(targetIndex: number, word: number, amount: number): void {
    const at = this.start + targetIndex * TARGET_WORDS + word;
    // This worker is the only writer, so the value that it read is still current. The atomic store
    // makes the new value visible soon and whole.
    Atomics.store(this.words, at, (this.words[at] as number) + amount);
  }
}

/** All blocks, for reading. */
export class TargetLoadView {
  private readonly words: Int32Array;
  private readonly stride: number;
  readonly laneCount: number;

  constructor(
    buffer: SharedArrayBuffer,
    readonly targetCount: number,
    private readonly status: CoordinatorStatus,
  ) {
    this.words = new Int32Array(buffer);
    this.stride = blockWords(targetCount);
    this.laneCount = this.words.length / this.stride;
    assert(Number.isInteger(this.laneCount), 'the buffer holds whole blocks');
  }

  /** Tries in flight, of workers that live. */
  inFlightOf(targetIndex: number): number {
    let sum = 0;
    for (let lane = 0; lane < this.laneCount; lane += 1) sum += this.laneLoad(lane, targetIndex);
    return sum;
  }

  /** Successes so far, wrapping. */
  successesOf(targetIndex: number): number {
    let sum = 0;
    for (let lane = 0; lane < this.laneCount; lane += 1) {
      sum = (sum + this.load(lane, targetIndex, SUCCESSES_WORD)) | 0;
    }
    return sum;
  }

  laneLoad(lane: number, targetIndex: number): number {
    if (!this.isCurrent(lane)) return 0;
    return Math.max(0, this.load(lane, targetIndex, 0));
  }

  heardOf(lane: number, targetIndex: number): number {
    return this.load(lane, targetIndex, HEARD_WORD);
  }

  /** Whether the lane's present worker has written the block. */
  isCurrent(lane: number): boolean {
    const generation = Atomics.load(this.words, lane * this.stride);
    return generation === this.status.generationOf(lane);
  }

  private load(lane: number, targetIndex: number, word: number): number {
    const at = lane * this.stride + LINE_WORDS + targetIndex * TARGET_WORDS + word;
    return Atomics.load(this.words, at);
  }
}
