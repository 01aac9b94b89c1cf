/**
 * Who fetches which reply, so that one worker does for all.
 *
 * Thread: any (both ends). A lease belongs to a key by its hash, and to the exchange that took it.
 *
 *     lease, int32 each: token (0: free), hash of the key, since (ms of the monotonic clock,
 *     wrapping), unused
 *
 * Invariants: a lease is taken, taken over and given back by one compareExchange on its token, and
 * no two tokens are alike. A token is negative until its hash and time stand beside it: whoever
 * sees that waits, as neither says anything yet. Whoever does not get one goes on without: a lease
 * saves work and guards nothing. One that is older than its time may be taken over, so a worker
 * that died holds nothing for ever.
 */
import { type CacheMemory, LEASE_WORDS, LEASES, leaseWords } from './cache-memory.js';

const TOKEN = 0;
const HASH = 1;
const SINCE = 2;
const LANE_BITS = 10;
/** A lease that was taken so much later than now was taken before the clock's words wrapped. */
const AHEAD_MS_MAX = 60_000;
/** The lease is taken, and its other words are not written yet. */
const UNFINISHED = 1 << 31;
const SERIAL_MASK = 0x1fffff;

/** `alone`: another key has the place, or this one is not stored anyway: nobody waits. */
export type LeaseResult = 'taken' | 'wait' | 'alone';

export class FetchLeases {
  /** Of the last `taken`. */
  token = 0;

  private readonly leases: Int32Array;
  private readonly passes: Int32Array;
  private serial = 0;

  constructor(
    memory: Pick<CacheMemory, 'control'>,
    private readonly lane: number,
  ) {
    const { leases, passes } = leaseWords(memory);
    this.leases = leases;
    this.passes = passes;
    this.dropOfDead();
  }

  /** The worker before this one on its lane fetches nothing any more. */
  private dropOfDead(): void {
    for (let at = 0; at < this.leases.length; at += LEASE_WORDS) {
      const token = Atomics.load(this.leases, at + TOKEN);
      const isMine = token !== 0 && (token & ((1 << LANE_BITS) - 1)) === this.lane + 1;
      if (isMine) Atomics.compareExchange(this.leases, at + TOKEN, token, 0);
    }
  }

  /** Whether this exchange is to fetch, or to wait for another that does. */
  take(hash: number, nowMs: number, timeoutMs: number): LeaseResult {
    if (this.isPassed(hash, nowMs)) return 'alone';
    const at = placeOf(hash);
    const before = Atomics.load(this.leases, at + TOKEN);
    if (before < 0) return 'wait';
    if (before !== 0) {
      if (!this.isOver(at, nowMs, timeoutMs))
        return Atomics.load(this.leases, at + HASH) === hash ? 'wait' : 'alone';
    }
    this.serial = (this.serial + 1) & SERIAL_MASK;
    const token = (this.serial << LANE_BITS) | (this.lane + 1);
    const unfinished = token | UNFINISHED;
    const was = Atomics.compareExchange(this.leases, at + TOKEN, before, unfinished);
    if (was !== before) return 'wait';
    Atomics.store(this.leases, at + HASH, hash);
    Atomics.store(this.leases, at + SINCE, nowMs | 0);
    Atomics.store(this.leases, at + TOKEN, token);
    this.token = token;
    return 'taken';
  }

  /** Whether somebody fetches this, and has not taken too long. */
  isHeld(hash: number, nowMs: number, timeoutMs: number): boolean {
    const at = placeOf(hash);
    const token = Atomics.load(this.leases, at + TOKEN);
    if (token <= 0) return token !== 0;
    if (this.isOver(at, nowMs, timeoutMs)) return false;
    return Atomics.load(this.leases, at + HASH) === hash;
  }

  /** The time of this thread may be a little behind that of the lane which took it. */
  private isOver(at: number, nowMs: number, timeoutMs: number): boolean {
    const heldMs = ((nowMs | 0) - Atomics.load(this.leases, at + SINCE)) | 0;
    return heldMs < -AHEAD_MS_MAX || heldMs >= timeoutMs;
  }

  /** Of whoever fetches this; 0: nobody, as far as is known. */
  tokenOf(hash: number): number {
    return Math.max(0, Atomics.load(this.leases, placeOf(hash) + TOKEN));
  }

  /** The fetch is over, whatever came of it. */
  giveBack(hash: number, token: number): void {
    Atomics.compareExchange(this.leases, placeOf(hash) + TOKEN, token, 0);
  }

  /** Replies to this key are not stored: until then nobody waits for one. */
  pass(hash: number, untilMs: number): void {
    Atomics.store(this.passes, hash & (LEASES - 1), Math.floor(untilMs / 1000) | 0);
  }

  private isPassed(hash: number, nowMs: number): boolean {
    return Atomics.load(this.passes, hash & (LEASES - 1)) > (Math.floor(nowMs / 1000) | 0);
  }
}

function placeOf(hash: number): number {
  return (hash & (LEASES - 1)) * LEASE_WORDS;
}
