/**
 * The words by which threads wake, watch and count the coordinator.
 *
 * Thread: any (both ends). The coordinator writes the heartbeat and the counters; the thread that
 * wakes the coordinator writes the doorbell; the main thread writes the generations of lanes and
 * whether a coordinator runs.
 *
 *     byte
 *     0     doorbell: 1 while the coordinator sleeps
 *     128   heartbeat: duty cycles, wrapping; +8 its time, float64; +16 1: no coordinator runs
 *     256   counters, float64 each, in the order of COUNTER_NAMES (256 bytes)
 *     512   generation of lane 0; +4 its asks that are answered later (written by the coordinator)
 *     640   generation of lane 1 …
 */
import { assert } from '../../base/assert.js';

const DOORBELL_WORD = 0;
const BEATS_WORD = 32;
const DOWN_WORD = 36;
const BEAT_MS_FLOAT = 17;
const COUNTERS_FLOAT = 32;
const COUNTERS_MAX = 32;
const GENERATIONS_WORD = 128;
const LANE_LINE_WORDS = 32;
/** From the generation of a lane, in words. */
const DEFERRED_OFFSET = 1;
const WORD_BYTES = 4;
const FIRST_GENERATION = 1;

/**
 * A heartbeat this old means that the coordinator is lost, since it beats every 100 ms at least.
 */
export const COORDINATOR_LOST_MS = 500;

const COUNTER_NAMES = [
  /** Asks answered. */
  'asks',
  'admitted',
  'rateLimited',
  'circuitOpen',
  'noHealthyTarget',
  /** Asks of a worker that has ended, which were skipped. */
  'staleAsks',
  /** Asks without an answer because the worker had let its reply ring fill up. */
  'unansweredAsks',
  'tells',
  /** Targets granted in advance. */
  'granted',
  /** Rows in use, including those of keys at rest: a level, not a sum. */
  'trackedKeys',
  /** Rows taken from a key at rest: nothing was forgotten. */
  'reclaimedKeys',
  /** Rows taken from a key that had used some of its limit. */
  'evictedKeys',
  /** New keys refused because every row they could take was depleted. */
  'refusedKeys',
  /** Probes of workers that have ended, which were given back. */
  'releasedProbes',
  /** Asks whose verdict waited for something outside of the coordinator. */
  'deferredAsks',
  /** Of these, decided upon without it: it did not come in time, or too many waited. */
  'undeferredAsks',
  /** Admissions of limits that count over all gateways, by units that the store has given. */
  'leasedAdmissions',
  /** Admissions of these while the store did not answer. */
  'admittedWithoutStore',
] as const;

export type CoordinatorCounter = (typeof COUNTER_NAMES)[number];
export type CoordinatorCounts = Record<CoordinatorCounter, number>;

export function allocateCoordinatorStatus(laneCount: number): SharedArrayBuffer {
  const words = GENERATIONS_WORD + laneCount * LANE_LINE_WORDS;
  const buffer = new SharedArrayBuffer(words * WORD_BYTES);
  const view = new Int32Array(buffer);
  for (let lane = 0; lane < laneCount; lane += 1) {
    view[GENERATIONS_WORD + lane * LANE_LINE_WORDS] = FIRST_GENERATION;
  }
  return buffer;
}

export class CoordinatorStatus {
  private readonly words: Int32Array;
  private readonly floats: Float64Array;
  private readonly laneCount: number;

  constructor(buffer: SharedArrayBuffer) {
    assert(COUNTER_NAMES.length <= COUNTERS_MAX, 'the counters fit their lines');
    this.words = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
    this.laneCount = (this.words.length - GENERATIONS_WORD) / LANE_LINE_WORDS;
    assert(Number.isInteger(this.laneCount), 'the buffer ends with whole lane lines');
  }

  /** The incarnation of the lane's worker whose asks are answered now. */
  generationOf(lane: number): number {
    return Atomics.load(this.words, this.generationWord(lane));
  }

  /** Main thread: the lane's worker has ended, and its asks are stale from here on. */
  startGeneration(lane: number): number {
    return Atomics.add(this.words, this.generationWord(lane), 1) + 1;
  }

  /** Coordinator: `count` asks of the lane will be answered later. */
  setDeferred(lane: number, count: number): void {
    Atomics.store(this.words, this.generationWord(lane) + DEFERRED_OFFSET, count);
  }

  /** Asks of the lane that are answered later. */
  deferredOf(lane: number): number {
    return Atomics.load(this.words, this.generationWord(lane) + DEFERRED_OFFSET);
  }

  /**
   * Coordinator: says that it sleeps. It must look at its rings once more before
   * {@link waitForDoorbell}, or it would miss what was published in between.
   */
  armDoorbell(): void {
    Atomics.store(this.words, DOORBELL_WORD, 1);
  }

  disarmDoorbell(): void {
    Atomics.store(this.words, DOORBELL_WORD, 0);
  }

  /** Coordinator: sleeps until somebody wakes it, or the time is over. */
  waitForDoorbell(timeoutMs: number): void {
    Atomics.wait(this.words, DOORBELL_WORD, 1, timeoutMs);
    this.disarmDoorbell();
  }

  /**
   * Any other thread: wakes the coordinator if it sleeps. The call is cheap when it does not sleep.
   */
  wakeCoordinator(): void {
    if (Atomics.exchange(this.words, DOORBELL_WORD, 0) === 1) {
      Atomics.notify(this.words, DOORBELL_WORD, 1);
    }
  }

  /** Coordinator: one duty cycle began. */
  beat(nowMs: number): void {
    this.floats[BEAT_MS_FLOAT] = nowMs;
    const beats = this.words[BEATS_WORD] as number;
    Atomics.store(this.words, BEATS_WORD, (beats + 1) | 0);
  }

  /**
   * Duty cycles so far, wrapping. The number changes at least every 100 ms while the coordinator
   * lives.
   */
  beats(): number {
    return Atomics.load(this.words, BEATS_WORD);
  }

  /** Main thread: the coordinator's thread has ended (true), or another one decides now (false). */
  setDown(isDown: boolean): void {
    Atomics.store(this.words, DOWN_WORD, isDown ? 1 : 0);
  }

  /** Whether no coordinator runs, or none has begun a cycle for {@link COORDINATOR_LOST_MS}. */
  isLost(nowMs: number): boolean {
    if (Atomics.load(this.words, DOWN_WORD) === 1) return true;
    return nowMs - this.lastBeatMs() > COORDINATOR_LOST_MS;
  }

  lastBeatMs(): number {
    return this.floats[BEAT_MS_FLOAT] as number;
  }

  /** Coordinator: adds to a counter, whose only writer it is. */
  count(index: number, amount: number): void {
    const at = COUNTERS_FLOAT + index;
    this.floats[at] = (this.floats[at] as number) + amount;
  }

  /** All counters as they are now; for admin, not for a hot path. */
  readCounts(): CoordinatorCounts {
    const counts = {} as CoordinatorCounts;
    COUNTER_NAMES.forEach((name, index) => {
      counts[name] = this.floats[COUNTERS_FLOAT + index] as number;
    });
    return counts;
  }

  private generationWord(lane: number): number {
    assert(lane >= 0 && lane < this.laneCount, 'the lane has a generation');
    return GENERATIONS_WORD + lane * LANE_LINE_WORDS;
  }
}

/**
 * The index that {@link CoordinatorStatus.count} takes. To be looked up once, not for each count.
 */
export function counterIndex(name: CoordinatorCounter): number {
  return COUNTER_NAMES.indexOf(name);
}
