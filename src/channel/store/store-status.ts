/**
 * The words by which threads know how the store is, and by which the store's thread is watched.
 *
 * Thread: any (both ends). The store's thread writes all of it but two words: the supervisor says
 * that no such thread runs, and each coordinator takes the next generation when it begins.
 *
 *     byte
 *     0     beats, wrapping
 *     4     state, a STORE_ constant
 *     8     gateways that share the store, as they were last counted; 0: never
 *     12    states of the store that were seen: it moves when one is lost
 *     128   generation of the coordinator
 *     256   counters, float64 each, in the order of COUNTER_NAMES
 */
import { assert } from '../../base/assert.js';

/** The store cannot be used: nobody waits for it. */
export const STORE_LOST = 0;
/** It has answered lately. */
export const STORE_UP = 1;
export type StoreState = typeof STORE_LOST | typeof STORE_UP;

const BEATS_WORD = 0;
const STATE_WORD = 1;
const NODES_WORD = 2;
const EPOCHS_WORD = 3;
const GENERATION_WORD = 32;
const COUNTERS_FLOAT = 32;

const COUNTER_NAMES = [
  /** Commands that were sent for limits: a round trip each. */
  'trips',
  /** Keys that were asked about. */
  'keys',
  /** Admissions that the store gave. */
  'units',
  /** Round trips that brought an error or nothing in time. */
  'failures',
  /** Of these, those without an answer in time. */
  'timeouts',
  /** Connections that were made. */
  'connections',
  /** How often the store was lost. */
  'losses',
  /** How often the state in the store was found to be another one, or empty. */
  'epochs',
  /** Jumps of the store's clock by more than a second. */
  'clockJumps',
  /** Commands for anything but limits: sessions, keys, events. */
  'commands',
  /** Of these, those that brought an error or nothing in time. */
  'commandFailures',
  /** Events of gateways that came. */
  'events',
  /** How often events may have been missed. */
  'eventGaps',
] as const;

export type StoreCounter = (typeof COUNTER_NAMES)[number];
export type StoreCounts = Record<StoreCounter, number>;

export function allocateStoreStatus(): SharedArrayBuffer {
  return new SharedArrayBuffer((COUNTERS_FLOAT + COUNTER_NAMES.length) * 8);
}

export class StoreStatus {
  private readonly words: Int32Array;
  private readonly floats: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
  }

  /** Store's thread: its event loop turns. */
  beat(): void {
    Atomics.add(this.words, BEATS_WORD, 1);
  }

  beats(): number {
    return Atomics.load(this.words, BEATS_WORD);
  }

  get isUp(): boolean {
    return Atomics.load(this.words, STATE_WORD) === STORE_UP;
  }

  setState(state: StoreState): void {
    Atomics.store(this.words, STATE_WORD, state);
  }

  /** Gateways that share the store; 0: the store was never reached. */
  get nodes(): number {
    return Atomics.load(this.words, NODES_WORD);
  }

  setNodes(count: number): void {
    Atomics.store(this.words, NODES_WORD, count);
  }

  /** Moves when the store has another state than before: what it knew of limits may be lost. */
  get epochs(): number {
    return Atomics.load(this.words, EPOCHS_WORD);
  }

  onEpoch(): void {
    Atomics.add(this.words, EPOCHS_WORD, 1);
  }

  /** A coordinator begins: answers for the one before it are not its own. */
  nextGeneration(): number {
    return (Atomics.add(this.words, GENERATION_WORD, 1) + 1) | 0;
  }

  /** Store's thread: adds to a counter, whose only writer it is. */
  count(name: StoreCounter, amount: number): void {
    const at = COUNTERS_FLOAT + COUNTER_NAMES.indexOf(name);
    assert(at >= COUNTERS_FLOAT, 'the counter is listed');
    this.floats[at] = (this.floats[at] as number) + amount;
  }

  readCounts(): StoreCounts {
    const counts = {} as StoreCounts;
    COUNTER_NAMES.forEach((name, index) => {
      counts[name] = this.floats[COUNTERS_FLOAT + index] as number;
    });
    return counts;
  }
}
