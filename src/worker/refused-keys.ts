/**
 * Keys that the coordinator has just refused, and until when it would refuse them again.
 *
 * Thread: worker. Owns a bounded number of entries. Whoever floods a limit that is used up is
 * answered here: neither the coordinator nor its channel hears of it, and the answer is the same.
 *
 * The coordinator says until when a refusal holds, for some milliseconds at most. A key that
 * shares its entry with another one is forgotten sooner, never later.
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
/** Limiter index + 1 (0: free), hash high, hash low, until, remaining, reset, retry after, when. */
const ENTRY_WORDS = 8;

export class RefusedKeys {
  /** Of the last key that {@link find} found, as it is at that moment. */
  remaining = 0;
  resetMs = 0;
  retryAfterMs = 0;
  private readonly words = new Int32Array(ENTRY_COUNT * ENTRY_WORDS);

  note(key: RefusedKey, reply: RefusalReply, nowMs: number): void {
    const { words } = this;
    const at = entryOf(key);
    words[at] = (key[0] as number) + 1;
    words[at + 1] = key[1] as number;
    words[at + 2] = key[2] as number;
    words[at + 3] = reply.refusedUntil;
    words[at + 4] = reply.remaining;
    words[at + 5] = reply.resetMs;
    words[at + 6] = reply.retryAfterMs;
    words[at + 7] = Math.floor(nowMs) | 0;
  }

  /** Whether the coordinator would refuse the key. Hot path under a flood. */
  find(key: RefusedKey, nowMs: number): boolean {
    const { words } = this;
    const at = entryOf(key);
    if (words[at] !== (key[0] as number) + 1) return false;
    if (words[at + 1] !== key[1] || words[at + 2] !== key[2]) return false;
    if ((((words[at + 3] as number) - Math.ceil(nowMs)) | 0) < 0) return false;
    const agoMs = (Math.floor(nowMs) - (words[at + 7] as number)) | 0;
    this.remaining = words[at + 4] as number;
    this.resetMs = Math.max(0, (words[at + 5] as number) - agoMs);
    this.retryAfterMs = Math.max(0, (words[at + 6] as number) - agoMs);
    return true;
  }

  /** Other limits are in force: nothing is known of them. */
  clear(): void {
    this.words.fill(0);
  }
}

function entryOf(key: RefusedKey): number {
  const bits = (key[0] as number) ^ (key[1] as number) ^ (key[2] as number);
  return ((bits ^ (bits >>> 16)) & (ENTRY_COUNT - 1)) * ENTRY_WORDS;
}
