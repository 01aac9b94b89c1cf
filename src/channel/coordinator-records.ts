/**
 * The slots that workers and the coordinator exchange, word by word.
 *
 * Thread: any (both ends). Flyweights over a ring's words: bound to a slot, valid until it is
 * given back, never kept.
 *
 *     word  ASK (worker → coord.)  TELL (worker → coord.)  REPLY (coord. → worker)
 *     0     SLOT_ASK               SLOT_TELL               ask id
 *     1     lane generation        lane generation         lane generation
 *     2     ask id                 target index            verdict
 *     3     route index            ticket                  target index or -1
 *     4     upstream index         outcome                 ticket, 0: none
 *     5     limiter index or -1    upstream index          remaining, -1: no limiter
 *     6     key hash, high word                            reset ms
 *     7     key hash, low word                             retry after ms
 *     8     tried mask                                     grant count
 *     9     flags                                          grant cursor
 *     10                                                   upstream index
 *     11                                                   flags of the ask
 *     12…15 (free)                 (free)                  (free)
 */

export const SLOT_ASK = 1;
export const SLOT_TELL = 2;

export const VERDICT_ADMITTED = 1;
export const VERDICT_RATE_LIMITED = 2;
export const VERDICT_CIRCUIT_OPEN = 3;
export const VERDICT_NO_HEALTHY_TARGET = 4;

export const OUTCOME_SUCCESS = 1;
export const OUTCOME_FAILURE = 2;
export const OUTCOME_CANCELLED = 3;

/** The worker holds no grant for the upstream and no other ask of it is to bring one. */
export const ASK_WANTS_GRANT = 1;

/** Positions of an upstream that the tried mask can name; later ones count as not tried. */
export const TRIED_POSITIONS_MAX = 31;

/** How long a worker may use a grant after its reply came. */
export const GRANT_VALID_MS = 1000;

const INT32_MAX = 0x7fffffff;

/** What a worker asks; one object of this shape may be filled again and again. */
export interface AskFields {
  askId: number;
  routeIndex: number;
  upstreamIndex: number;
  /** -1: no limiter. A retry of an admitted request passes -1: it was counted already. */
  limiterIndex: number;
  keyHashHigh: number;
  keyHashLow: number;
  /** Bit p: the target at position p of the upstream's targetIndexes was tried. */
  triedMask: number;
  /** 0 or {@link ASK_WANTS_GRANT}. */
  flags: number;
}

abstract class SlotView {
  private words: Int32Array = new Int32Array(0);
  private base = 0;

  bind(words: Int32Array, base: number): void {
    this.words = words;
    this.base = base;
  }

  protected at(word: number): number {
    return this.words[this.base + word] as number;
  }
}

export class AskView extends SlotView {
  get generation(): number {
    return this.at(1);
  }
  get askId(): number {
    return this.at(2);
  }
  get routeIndex(): number {
    return this.at(3);
  }
  get upstreamIndex(): number {
    return this.at(4);
  }
  get limiterIndex(): number {
    return this.at(5);
  }
  get keyHashHigh(): number {
    return this.at(6);
  }
  get keyHashLow(): number {
    return this.at(7);
  }
  get triedMask(): number {
    return this.at(8);
  }
  get flags(): number {
    return this.at(9);
  }
}

export class TellView extends SlotView {
  get generation(): number {
    return this.at(1);
  }
  get targetIndex(): number {
    return this.at(2);
  }
  get ticket(): number {
    return this.at(3);
  }
  get outcome(): number {
    return this.at(4);
  }
  get upstreamIndex(): number {
    return this.at(5);
  }
}

export class ReplyView extends SlotView {
  get askId(): number {
    return this.at(0);
  }
  get generation(): number {
    return this.at(1);
  }
  get verdict(): number {
    return this.at(2);
  }
  get targetIndex(): number {
    return this.at(3);
  }
  get ticket(): number {
    return this.at(4);
  }
  get remaining(): number {
    return this.at(5);
  }
  get resetMs(): number {
    return this.at(6);
  }
  get retryAfterMs(): number {
    return this.at(7);
  }
  get grantCount(): number {
    return this.at(8);
  }
  get grantCursor(): number {
    return this.at(9);
  }
  get upstreamIndex(): number {
    return this.at(10);
  }
  get askFlags(): number {
    return this.at(11);
  }
}

/** What the coordinator fills in for one ask; the same object for every ask. */
export class ReplyFields {
  verdict = 0;
  targetIndex = -1;
  ticket = 0;
  remaining = -1;
  resetMs = 0;
  retryAfterMs = 0;
  grantCount = 0;
  grantCursor = 0;

  clear(): void {
    this.verdict = 0;
    this.targetIndex = -1;
    this.ticket = 0;
    this.remaining = -1;
    this.resetMs = 0;
    this.retryAfterMs = 0;
    this.grantCount = 0;
    this.grantCursor = 0;
  }
}

export function writeAsk(
  words: Int32Array,
  base: number,
  generation: number,
  ask: AskFields,
): void {
  words[base] = SLOT_ASK;
  words[base + 1] = generation;
  words[base + 2] = ask.askId;
  words[base + 3] = ask.routeIndex;
  words[base + 4] = ask.upstreamIndex;
  words[base + 5] = ask.limiterIndex;
  words[base + 6] = ask.keyHashHigh;
  words[base + 7] = ask.keyHashLow;
  words[base + 8] = ask.triedMask;
  words[base + 9] = ask.flags;
}

/** What came of one try; a queue of these waits in the worker when the ring is full. */
export interface TellFields {
  targetIndex: number;
  ticket: number;
  outcome: number;
  upstreamIndex: number;
}

export function writeTell(
  words: Int32Array,
  base: number,
  generation: number,
  tell: TellFields,
): void {
  words[base] = SLOT_TELL;
  words[base + 1] = generation;
  words[base + 2] = tell.targetIndex;
  words[base + 3] = tell.ticket;
  words[base + 4] = tell.outcome;
  words[base + 5] = tell.upstreamIndex;
}

export function writeReply(
  words: Int32Array,
  base: number,
  ask: AskView,
  reply: ReplyFields,
): void {
  words[base] = ask.askId;
  words[base + 1] = ask.generation;
  words[base + 2] = reply.verdict;
  words[base + 3] = reply.targetIndex;
  words[base + 4] = reply.ticket;
  words[base + 5] = Math.min(reply.remaining, INT32_MAX);
  words[base + 6] = Math.min(reply.resetMs, INT32_MAX);
  words[base + 7] = Math.min(reply.retryAfterMs, INT32_MAX);
  words[base + 8] = reply.grantCount;
  words[base + 9] = reply.grantCursor;
  words[base + 10] = ask.upstreamIndex;
  words[base + 11] = ask.flags;
}
