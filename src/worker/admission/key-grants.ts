/**
 * Admissions of hot keys that the coordinator gave this worker in advance.
 *
 * Thread: worker. Owns a bounded number of entries; a key that is asked for again and again has
 * one. What it does not use in time it gives back.
 *
 * Where several limits count a request, an entry stands for the keys of all of them together: each
 * admission of a grant was taken from each limit, and what is left goes back to each.
 *
 * An entry learns how much its key needs: after a few asks in a short time it wishes for some
 * admissions, twice as many when they were used up, half as many when some were left over.
 * A grant is void after its moment: the coordinator has counted each admission as if it was used
 * at the last possible moment, and not later.
 */
import { defined } from '../../base/assert.js';
import { ASK_LIMITS_MAX, LIMIT_WORDS } from '../../channel/coordinator/coordinator-records.js';
import type { ReturnFields } from '../../channel/coordinator/key-grant-returns.js';

/** Hears of what is left of a grant. */
export type ReturnHandler = (rest: ReturnFields) => void;

/** What a reply says of a grant and of the limit behind it. */
export interface KeyGrantReply {
  readonly keyGrantCount: number;
  readonly keyGrantUntil: number;
  readonly limiterIndex: number;
  readonly remaining: number;
  readonly resetMs: number;
}

/** Entries of a set: a key may lie in any of them. */
const SET_ENTRIES = 4;
const SET_COUNT = 256;
/** Asks in one period that make a key hot. */
const HOT_ASKS = 4;
const PERIOD_MS = 50;
const WISH_MIN = 4;
const WISH_MAX = 64;
/** An ask whose reply never came must not keep grants away for ever. */
const WISH_WAIT_MS = 1000;

/** What an ask is counted by, as an ask carries it. */
export interface GrantKey {
  /** Limiter index, key hash high, key hash low: `limitCount` times. */
  readonly limits: Int32Array;
  readonly limitCount: number;
}

export class KeyGrant {
  readonly limits = new Int32Array(ASK_LIMITS_MAX * LIMIT_WORDS);
  limitCount = 0;
  /** Admissions that are left. */
  left = 0;
  /** Low bits of the last whole millisecond at which they may be used. */
  until = 0;
  /** Limit that was the tightest when the grant came, what remained of it, how long until more. */
  tightestIndex = -1;
  remaining = 0;
  resetMs = 0;
  cameMs = 0;
  touchedMs = 0;
  private periodMs = Number.NEGATIVE_INFINITY;
  private asks = 0;
  private size = WISH_MIN;
  private wishedMs = Number.NEGATIVE_INFINITY;

  begin(key: GrantKey): void {
    const words = key.limitCount * LIMIT_WORDS;
    for (let at = 0; at < words; at += 1) this.limits[at] = key.limits[at] as number;
    this.limitCount = key.limitCount;
    this.left = 0;
    this.periodMs = Number.NEGATIVE_INFINITY;
    this.asks = 0;
    this.size = WISH_MIN;
    this.wishedMs = Number.NEGATIVE_INFINITY;
  }

  isOf({ limits, limitCount }: GrantKey): boolean {
    if (limitCount !== this.limitCount) return false;
    // From behind: of all words the last one, half of a hash, differs most.
    for (let at = limitCount * LIMIT_WORDS - 1; at >= 0; at -= 1) {
      if (this.limits[at] !== limits[at]) return false;
    }
    return true;
  }

  isValid(nowMs: number): boolean {
    return this.left > 0 && ((this.until - Math.ceil(nowMs)) | 0) >= 0;
  }

  /** Takes one admission of a valid grant. */
  take(): void {
    this.left -= 1;
    if (this.left === 0) this.size = Math.min(WISH_MAX, this.size * 2);
  }

  /** One more ask for the key; how many admissions it is to bring in advance, or 0. */
  wish(nowMs: number): number {
    if (nowMs - this.periodMs > PERIOD_MS) {
      this.periodMs = nowMs;
      this.asks = 0;
    }
    this.asks += 1;
    const isWaiting = nowMs - this.wishedMs <= WISH_WAIT_MS;
    if (this.left > 0 || isWaiting || this.asks < HOT_ASKS) return 0;
    this.wishedMs = nowMs;
    return this.size;
  }

  receive(reply: KeyGrantReply, nowMs: number): void {
    this.wishedMs = Number.NEGATIVE_INFINITY;
    this.left = reply.keyGrantCount;
    this.until = reply.keyGrantUntil;
    this.tightestIndex = reply.limiterIndex;
    this.remaining = reply.remaining;
    this.resetMs = reply.resetMs;
    this.cameMs = nowMs;
  }

  /** Some were left over: fewer will do. */
  shrink(): void {
    this.size = Math.max(WISH_MIN, this.size >> 1);
  }
}

export class KeyGrants implements ReturnFields {
  limiterIndex = 0;
  keyHashHigh = 0;
  keyHashLow = 0;
  unused = 0;
  until = 0;
  private readonly entries = Array.from(
    { length: SET_ENTRIES * SET_COUNT },
    (): KeyGrant => new KeyGrant(),
  );
  /** Entries with something left: few, since a grant lasts for a tenth of a second at most. */
  private readonly open: KeyGrant[] = [];

  constructor(private readonly onReturn: ReturnHandler) {}

  /** Hot path: every request with large limits only. The key's entry; bench/micro watches it. */
  entryOf(key: GrantKey, nowMs: number): KeyGrant {
    const first = setOf(key) * SET_ENTRIES;
    let oldest = first;
    for (let at = first; at < first + SET_ENTRIES; at += 1) {
      const entry = this.at(at);
      if (entry.isOf(key)) {
        entry.touchedMs = nowMs;
        return entry;
      }
      if (entry.touchedMs < this.at(oldest).touchedMs) oldest = at;
    }
    const entry = this.at(oldest);
    this.giveBack(entry);
    entry.begin(key);
    entry.touchedMs = nowMs;
    return entry;
  }

  /** A reply came for a key that had wished for a grant. */
  onReply(key: GrantKey, reply: KeyGrantReply, nowMs: number): void {
    const entry = this.entryOf(key, nowMs);
    this.giveBack(entry);
    entry.receive(reply, nowMs);
    if (entry.left > 0 && !this.open.includes(entry)) this.open.push(entry);
  }

  /** Gives back what can not be used any more. Costs nothing while there are no grants. */
  giveBackVoid(nowMs: number): void {
    for (let at = this.open.length - 1; at >= 0; at -= 1) {
      const entry = defined(this.open[at], 'a grant in the list');
      if (entry.isValid(nowMs)) continue;
      this.giveBack(entry);
      this.open.splice(at, 1);
    }
  }

  get openCount(): number {
    return this.open.length;
  }

  private giveBack(entry: KeyGrant): void {
    if (entry.left === 0) return;
    this.unused = entry.left;
    this.until = entry.until;
    entry.left = 0;
    entry.shrink();
    for (let at = 0; at < entry.limitCount * LIMIT_WORDS; at += LIMIT_WORDS) {
      this.limiterIndex = entry.limits[at] as number;
      this.keyHashHigh = entry.limits[at + 1] as number;
      this.keyHashLow = entry.limits[at + 2] as number;
      this.onReturn(this);
    }
  }

  private at(index: number): KeyGrant {
    return defined(this.entries[index], 'an entry of a set');
  }
}

function setOf({ limits, limitCount }: GrantKey): number {
  let bits = 0;
  for (let at = 0; at < limitCount * LIMIT_WORDS; at += LIMIT_WORDS) {
    bits ^= (limits[at] as number) ^ (limits[at + 2] as number);
  }
  return (bits ^ (bits >>> 16)) & (SET_COUNT - 1);
}
