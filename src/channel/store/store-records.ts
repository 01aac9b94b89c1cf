/**
 * The slots that the coordinator and the store's thread exchange, word by word.
 *
 * Thread: any (both ends). Flyweights over a ring's words. Numbers that may be large, and times of
 * the store, are float64 and take two words.
 *
 *     word  TAKE (coordinator → store)           TAKEN (store → coordinator)
 *     0     generation of the coordinator        the same
 *     1     serial                               the same
 *     2     algorithm                            outcome
 *     3…5   digest of the limit                  units · units left · —
 *     6, 7  key hash, high and low               stamp of the lease
 *     8, 9  units needed · most useful           wait µs
 *     10    validity of the lease, µs            reset µs
 *     11    units that come back                 ┘
 *     12    used, and the store was not told     validity µs
 *     13    cost of what comes back              ┘
 *     14    limit, or size of the bucket         epoch
 *     16    window, µs                           used
 *     18    size of an admission (bucket)        when that was so, µs of the store
 *     20    refill a millisecond (bucket)
 *     22    stamp of the lease that comes back
 *     24    its epoch
 *     26    when it was sent, ms of the shared clock
 *     28    size of a token (bucket)
 *     30    stamp of what it is told of
 *
 * A recall has what was used in place of the epoch (24), when that was so in place of the stamp
 * (22), and reserves in flight in place of the units that are needed (8).
 */
export const TAKE_SLIDING = 1;
export const TAKE_BUCKET = 2;
export const TAKE_FIXED = 3;
/** Places of requests in flight, all that a gateway wants of a key. */
export const TAKE_PLACES = 4;
/** A bucket of which requests take a reserve, and their cost when they end. */
export const TAKE_COSTS = 5;
/** Of such a bucket, for a store that has lost it: what was used, and what is in flight. */
export const TAKE_RECALL = 6;
export type TakeAlgorithm =
  | typeof TAKE_SLIDING
  | typeof TAKE_BUCKET
  | typeof TAKE_FIXED
  | typeof TAKE_PLACES
  | typeof TAKE_COSTS
  | typeof TAKE_RECALL;

/** The store has decided: units, or none. */
export const TAKEN_DECIDED = 1;
/** There will be no answer: nothing may be used, and what came back may be lost. */
export const TAKEN_FAILED = 2;
/** The state in the store was lost. It gives nothing until gateways have said what they used. */
export const TAKEN_RECOVERING = 3;
/** There is no answer in time. One of the others follows, as soon as it is known. */
export const TAKEN_LATE = 4;
export type TakenOutcome =
  | typeof TAKEN_DECIDED
  | typeof TAKEN_FAILED
  | typeof TAKEN_RECOVERING
  | typeof TAKEN_LATE;

/** What is asked of the store about one key. Units are admissions. */
export interface TakeFields {
  generation: number;
  serial: number;
  algorithm: TakeAlgorithm;
  digest: readonly number[];
  keyHashHigh: number;
  keyHashLow: number;
  /** Units that somebody waits for; 0: nothing is wanted. Of places: those that are in use. */
  needed: number;
  /** Units that would be used; at least `needed`. */
  wanted: number;
  validUs: number;
  returned: number;
  /** Of costs: what they have cost that come back, in tokens; at most their reserves. */
  cost: number;
  /** What the store was not told: units; of costs, tokens. */
  declared: number;
  /** Of costs: says which of two tellings of this gateway is the newer one. */
  toldStamp: number;
  limit: number;
  /** Of costs: how long a reserve is kept for a request that does not end. */
  windowUs: number;
  unitsPerTake: number;
  unitsPerMs: number;
  unitsPerToken: number;
  /**
   * Stamp and epoch of the lease from which `returned` units come back. Of places: the stamp says
   * which of two claims is the newer one.
   */
  stamp: number;
  epoch: number;
  sentMs: number;
}

/** What the store says of one key. */
export interface TakenFields {
  generation: number;
  serial: number;
  outcome: TakenOutcome;
  units: number;
  left: number;
  stamp: number;
  /** Until there may be a unit again; 0 where some were given. */
  waitUs: number;
  /** Until more will be left than now; 0: nothing is used. */
  resetUs: number;
  /** How long the units may be used, from `sentMs` of the ask on. */
  validUs: number;
  epoch: number;
  /** Of costs: units that are used or reserved. */
  used: number;
  /** When the store has decided, by its clock. */
  atUs: number;
}

export function createTakeFields(): TakeFields {
  return {
    generation: 0,
    serial: 0,
    algorithm: TAKE_SLIDING,
    digest: [],
    keyHashHigh: 0,
    keyHashLow: 0,
    needed: 0,
    wanted: 0,
    validUs: 0,
    returned: 0,
    cost: 0,
    declared: 0,
    toldStamp: 0,
    limit: 0,
    windowUs: 0,
    unitsPerTake: 0,
    unitsPerMs: 0,
    unitsPerToken: 1,
    stamp: 0,
    epoch: 0,
    sentMs: 0,
  };
}

/** Reads and writes the slots of one ring. */
export class StoreSlots {
  private readonly floats: Float64Array;

  constructor(private readonly words: Int32Array) {
    this.floats = new Float64Array(words.buffer, words.byteOffset, words.length >> 1);
  }

  writeTake(base: number, take: TakeFields): void {
    const { words, floats } = this;
    words[base] = take.generation;
    words[base + 1] = take.serial;
    words[base + 2] = take.algorithm;
    for (let at = 0; at < 3; at += 1) words[base + 3 + at] = take.digest[at] as number;
    words[base + 6] = take.keyHashHigh;
    words[base + 7] = take.keyHashLow;
    words[base + 8] = take.needed;
    words[base + 9] = take.wanted;
    words[base + 10] = take.validUs;
    words[base + 11] = take.returned;
    words[base + 12] = take.declared;
    words[base + 13] = take.cost;
    const at = (base >> 1) + 7;
    floats[at] = take.limit;
    floats[at + 1] = take.windowUs;
    floats[at + 2] = take.unitsPerTake;
    floats[at + 3] = take.unitsPerMs;
    floats[at + 4] = take.stamp;
    floats[at + 5] = take.epoch;
    floats[at + 6] = take.sentMs;
    floats[at + 7] = take.unitsPerToken;
    floats[at + 8] = take.toldStamp;
  }

  /** A copy: the slot may be given back. */
  readTake(base: number): TakeFields {
    const { words } = this;
    const at = (base >> 1) + 7;
    return {
      generation: words[base] as number,
      serial: words[base + 1] as number,
      algorithm: words[base + 2] as TakeAlgorithm,
      digest: [...words.subarray(base + 3, base + 6)],
      keyHashHigh: words[base + 6] as number,
      keyHashLow: words[base + 7] as number,
      needed: words[base + 8] as number,
      wanted: words[base + 9] as number,
      validUs: words[base + 10] as number,
      returned: words[base + 11] as number,
      declared: words[base + 12] as number,
      cost: words[base + 13] as number,
      limit: this.float(at),
      windowUs: this.float(at + 1),
      unitsPerTake: this.float(at + 2),
      unitsPerMs: this.float(at + 3),
      stamp: this.float(at + 4),
      epoch: this.float(at + 5),
      sentMs: this.float(at + 6),
      unitsPerToken: this.float(at + 7),
      toldStamp: this.float(at + 8),
    };
  }

  writeTaken(base: number, taken: TakenFields): void {
    const { words, floats } = this;
    words[base] = taken.generation;
    words[base + 1] = taken.serial;
    words[base + 2] = taken.outcome;
    words[base + 3] = taken.units;
    words[base + 4] = taken.left;
    const at = (base >> 1) + 3;
    floats[at] = taken.stamp;
    floats[at + 1] = taken.waitUs;
    floats[at + 2] = taken.resetUs;
    floats[at + 3] = taken.validUs;
    floats[at + 4] = taken.epoch;
    floats[at + 5] = taken.used;
    floats[at + 6] = taken.atUs;
  }

  readTaken(base: number): TakenFields {
    const { words } = this;
    const at = (base >> 1) + 3;
    return {
      generation: words[base] as number,
      serial: words[base + 1] as number,
      outcome: words[base + 2] as TakenOutcome,
      units: words[base + 3] as number,
      left: words[base + 4] as number,
      stamp: this.float(at),
      waitUs: this.float(at + 1),
      resetUs: this.float(at + 2),
      validUs: this.float(at + 3),
      epoch: this.float(at + 4),
      used: this.float(at + 5),
      atUs: this.float(at + 6),
    };
  }

  private float(at: number): number {
    return this.floats[at] as number;
  }
}
