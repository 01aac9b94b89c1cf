/**
 * What the two ends of a lane report about themselves, beside the rings.
 *
 * Thread: any (both ends). Each word has one writer and a cache line of its own.
 *
 *     +0    beats      written by the worker: turns of its clock, wrapping
 *     +4    read       written by the worker: requests whose head it has read, wrapping
 *     +8    round      written by the worker: moves when refusals hold no more, wrapping
 *     +128  pressure   written by the acceptor: how full the gateway is, in thousandths
 *     +192  version     written before either end sees the lane, see protocol-version.ts
 *     +196  generation  written with the version: number of the incarnation that has this memory
 */

export const LANE_STATUS_BYTES = 256;

const BEATS_WORD = 0;
const READ_WORD = 1;
const ROUND_WORD = 2;
const PRESSURE_WORD = 32;
const VERSION_WORD = 48;
const GENERATION_WORD = 49;

/** Pressure of a gateway that is full. */
export const PRESSURE_FULL = 1000;

export class LaneStatus {
  private readonly words: Int32Array;

  constructor(buffer: SharedArrayBuffer, offset: number) {
    this.words = new Int32Array(buffer, offset, LANE_STATUS_BYTES >> 2);
  }

  /** Before either end sees the lane. */
  setProtocolVersion(version: number): void {
    this.words[VERSION_WORD] = version;
  }

  /** Before either end sees the lane. */
  setGeneration(generation: number): void {
    this.words[GENERATION_WORD] = generation;
  }

  get protocolVersion(): number {
    return this.words[VERSION_WORD] as number;
  }

  get generation(): number {
    return this.words[GENERATION_WORD] as number;
  }

  /** Worker: says that its event loop still turns. */
  beat(): void {
    Atomics.add(this.words, BEATS_WORD, 1);
  }

  beats(): number {
    return Atomics.load(this.words, BEATS_WORD);
  }

  // Hot path (bench/gateway/plain-get): written once for every batch and not for every request,
  // because the acceptor reads this cache line.
  setHeadsRead(count: number): void {
    this.words[READ_WORD] = count;
  }

  get headsRead(): number {
    return Atomics.load(this.words, READ_WORD);
  }

  /** Worker: refusals of an earlier round hold no more. */
  setRefusalRound(round: number): void {
    Atomics.store(this.words, ROUND_WORD, round);
  }

  get refusalRound(): number {
    return Atomics.load(this.words, ROUND_WORD);
  }

  /** Acceptor: 0 to PRESSURE_FULL. */
  setPressure(pressure: number): void {
    this.words[PRESSURE_WORD] = pressure;
  }

  /** The value may be a moment old: no decision needs the newest value. */
  get pressure(): number {
    return this.words[PRESSURE_WORD] as number;
  }
}
