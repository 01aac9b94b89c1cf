/**
 * The words by which threads know how the store is, and by which the store's thread is watched.
 *
 * Thread: any (both ends). The store's thread writes all of it but three words: the supervisor says
 * that no such thread runs, each coordinator takes the next generation when it begins, and it says
 * whether the store knows of all that was admitted without it.
 *
 *     byte
 *     0     beats, wrapping
 *     4     state, a STORE_ constant
 *     8     gateways that share the store, as they were last counted; 0: never
 *     12    states of the store that were seen: it moves when one is lost
 *     16    gateways among them that the store does not hear
 *     128   generation of the coordinator
 *     132   1: admissions without the store that it was not told of
 *     192   when the question was sent that told of the gateways, ms; 0: never
 *     200   when it was answered, ms; 0: never
 *     256   counters, float64 each, in the order of COUNTER_NAMES
 */
import { assert } from '../../base/assert.js';

/** The store cannot be used: nobody waits for it. */
export const STORE_LOST = 0;
/** It has answered lately. */
export const STORE_UP = 1;
export type StoreState = typeof STORE_LOST | typeof STORE_UP;

/**
 * How gateways know of one another, so that what one admits by its own part of a limit is not given
 * to others as well. The store takes a gateway for silent when it was not heard for SILENCE_MS; a
 * beat counts when its sender has heard the store within TOKEN_MS_MAX; and a gateway believes what
 * the store has told it of the others for VIEW_MS_MAX.
 */
export const SILENCE_MS = 750;
export const TOKEN_MS_MAX = 750;
export const VIEW_MS_MAX = 750;

const BEATS_WORD = 0;
const STATE_WORD = 1;
const NODES_WORD = 2;
const EPOCHS_WORD = 3;
const SILENT_WORD = 4;
const GENERATION_WORD = 32;
const UNTOLD_WORD = 33;
const VIEW_FLOAT = 24;
const CONTACT_FLOAT = 25;
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

/** What an answered beat says. */
export interface StoreView {
  readonly nodes: number;
  readonly silent: number;
  readonly sentMs: number;
  readonly nowMs: number;
}

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

  /** Other gateways that may admit without the store. */
  get silent(): number {
    return Atomics.load(this.words, SILENT_WORD);
  }

  /** When the store was asked what it says of gateways, ms of the shared clock; 0: never. */
  get viewMs(): number {
    return this.floats[VIEW_FLOAT] as number;
  }

  /** When the store last answered a beat, ms of the shared clock; 0: never. */
  get contactMs(): number {
    return this.floats[CONTACT_FLOAT] as number;
  }

  /** Store's thread: a beat was answered. */
  setView({ nodes, silent, sentMs, nowMs }: StoreView): void {
    Atomics.store(this.words, NODES_WORD, nodes);
    Atomics.store(this.words, SILENT_WORD, silent);
    this.floats[VIEW_FLOAT] = sentMs;
    this.floats[CONTACT_FLOAT] = nowMs;
  }

  /** Whether there are admissions without the store of which it was not told. */
  get hasUntold(): boolean {
    return Atomics.load(this.words, UNTOLD_WORD) === 1;
  }

  setUntold(hasUntold: boolean): void {
    Atomics.store(this.words, UNTOLD_WORD, hasUntold ? 1 : 0);
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
