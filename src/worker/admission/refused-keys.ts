/**
 * Keys that the coordinator has just refused, and until when it would refuse them again.
 *
 * Thread: worker. Owns a bounded number of entries. Requests that flood a used-up limit are
 * answered here, and cost neither the coordinator nor its channel anything. The answer is the same,
 * but that admissions which come back of other workers' grants are seen some milliseconds late.
 *
 * The coordinator says until when a refusal holds, for some milliseconds at most. A key that shares
 * its entry with another one is forgotten sooner, never later.
 */

/** What a reply says of a refusal and of the limit behind it. */
export interface RefusalReply {
  /** Low bits of the last whole millisecond at which it holds. */
  readonly refusedUntil: number;
  readonly remaining: number;
  readonly resetMs: number;
  readonly retryAfterMs: number;
}

/** What an ask would be counted by: limiter index, key hash high, key hash low. */
export type RefusedKey = ArrayLike<number>;

const ENTRY_COUNT = 1024;
/** Limiter index + 1 (0: free), hash high, hash low, remaining. */
const ENTRY_WORDS = 4;
/** Until when, when it was noted, reset, retry after: in milliseconds. */
const ENTRY_TIMES = 4;

export class RefusedKeys {
  /** Of the last key that {@link find} found, as it is at that moment. */
  remaining = 0;
  resetMs = 0;
  retryAfterMs = 0;
  /** Before this moment the refusal holds, and what it says in whole seconds is the same. */
  sameUntilMs = 0;
  private readonly words = new Int32Array(ENTRY_COUNT * ENTRY_WORDS);
  private readonly times = new Float64Array(ENTRY_COUNT * ENTRY_TIMES);

  note(key: RefusedKey, reply: RefusalReply, nowMs: number): void {
    const { words, times } = this;
    const entry = entryOf(key);
    const word = entry * ENTRY_WORDS;
    words[word] = (key[0] as number) + 1;
    words[word + 1] = key[1] as number;
    words[word + 2] = key[2] as number;
    words[word + 3] = reply.remaining;
    const time = entry * ENTRY_TIMES;
    const wholeMs = Math.floor(nowMs);
    // Low bits only came over; the moment is near. Kept whole: an entry may lie here for weeks.
    times[time] = wholeMs + ((reply.refusedUntil - wholeMs) | 0);
    times[time + 1] = nowMs;
    times[time + 2] = reply.resetMs;
    times[time + 3] = reply.retryAfterMs;
  }

  /**
   * Whether the coordinator would refuse the key. Hot path in a flood
   * (bench/gateway/refused-by-limit).
   */
  find(key: RefusedKey, nowMs: number): boolean {
    const { words, times } = this;
    const entry = entryOf(key);
    const word = entry * ENTRY_WORDS;
    if (words[word] !== (key[0] as number) + 1) return false;
    if (words[word + 1] !== key[1] || words[word + 2] !== key[2]) return false;
    const time = entry * ENTRY_TIMES;
    const untilMs = times[time] as number;
    if (nowMs > untilMs) return false;
    const agoMs = nowMs - (times[time + 1] as number);
    this.remaining = words[word + 3] as number;
    this.resetMs = Math.max(0, (times[time + 2] as number) - agoMs);
    this.retryAfterMs = Math.max(0, (times[time + 3] as number) - agoMs);
    const sameMs = Math.min(sameSecondMs(this.resetMs), sameSecondMs(this.retryAfterMs));
    this.sameUntilMs = Math.min(untilMs, nowMs + sameMs);
    return true;
  }

  /** Other limits are in force: nothing is known of them. */
  clear(): void {
    this.words.fill(0);
  }
}

/** How long a time that gets shorter is told as the same number of seconds, rounded up. */
function sameSecondMs(ms: number): number {
  return ms === 0 ? Number.POSITIVE_INFINITY : ms - 1000 * (Math.ceil(ms / 1000) - 1);
}

function entryOf(key: RefusedKey): number {
  const bits = (key[0] as number) ^ (key[1] as number) ^ (key[2] as number);
  return (bits ^ (bits >>> 16)) & (ENTRY_COUNT - 1);
}
