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
 *     5     tried mask             upstream index          limiter of the next two, -1: none
 *     6     flags                  in-flight ticket        remaining
 *     7     balance hash           number of costs (0..4)  reset ms
 *     8     preferred target       limiter index, cost …   retry after ms
 *     9     limit count (0..4)                             grant count
 *     10    limiter index     ┐                            standing of the upstream
 *     11    key hash, high    │                            upstream index
 *     12    key hash, low     ┘                            flags of the ask
 *     13…   the next limit …                               key grant count
 *     14                                                   key grant until, or refused until
 *     15                                                   in-flight ticket, 0: none
 *     16                                                   shadow refused (bit a limit)
 *     17…31                                                granted positions, a byte each
 *
 * A slot has 32 words; those that are not named are free. There are two more kinds of slots from a
 * worker: one is in key-grant-returns.ts, and SLOT_ABANDON has the words 1, 2 and 4 of an ask that
 * nobody waits for any more, and no flags.
 */

import type { TellCosts } from './tell-costs.js';

export const SLOT_ASK = 1;
export const SLOT_TELL = 2;
export const SLOT_ABANDON = 4;

/** Nothing was asked for but turns in advance. */
export const VERDICT_NONE = 0;
export const VERDICT_ADMITTED = 1;
export const VERDICT_RATE_LIMITED = 2;
export const VERDICT_CIRCUIT_OPEN = 3;
export const VERDICT_NO_HEALTHY_TARGET = 4;

/** A verdict that ends the request. */
export type RefusingVerdict =
  | typeof VERDICT_RATE_LIMITED
  | typeof VERDICT_CIRCUIT_OPEN
  | typeof VERDICT_NO_HEALTHY_TARGET;

export type Verdict = typeof VERDICT_NONE | typeof VERDICT_ADMITTED | RefusingVerdict;

export const OUTCOME_SUCCESS = 1;
export const OUTCOME_FAILURE = 2;
export const OUTCOME_CANCELLED = 3;

/** Added to an outcome when the target's reply had a status of 500 or above. */
export const OUTCOME_5XX = 4;
/** Masks the outcome without OUTCOME_5XX. */
export const OUTCOME_MASK = 3;

/**
 * Limits of fewer admissions are never granted in advance, so that they are exact to the last
 * admission.
 */
export const KEY_GRANT_LIMIT_MIN = 200;

/**
 * The worker has used at least half of its grant, and no other ask for the upstream is to bring
 * one.
 */
export const ASK_WANTS_GRANT = 1;
/** The ask wants turns in advance and nothing else: nothing is admitted. */
export const ASK_GRANT_ONLY = 2;
/**
 * The ask is about limits, and names the upstream that its request will want a target of: an
 * admission brings one turn at least, where the policy gives turns in advance. No target is chosen.
 */
export const ASK_TURN_FOR_LATER = 4;
/** From this bit on: the number of admissions of each limit that the worker wants in advance. */
export const ASK_KEY_GRANT_SHIFT = 8;
const ASK_KEY_GRANT_MAX = 255;

/** The upstream of an ask about limits only: what answers the request needs no target. */
export const NO_UPSTREAM = -1;
/** The target of a reply that admits no try, and of a tell that is about no target. */
export const NO_TARGET = -1;

/** No target is preferred. */
export const NO_PREFERENCE = -1;

/** Most limits that one ask may count against. */
export const ASK_LIMITS_MAX = 4;
const ASK_LIMITS_WORD = 10;
export const LIMIT_WORDS = 3;
const TELL_COST_COUNT_WORD = 7;
const TELL_COSTS_WORD = 8;
const ASK_WORDS = ASK_LIMITS_WORD + ASK_LIMITS_MAX * LIMIT_WORDS;

/**
 * Positions of an upstream that the tried mask can name; a later position always counts as not
 * tried.
 */
export const TRIED_POSITIONS_MAX = 31;

/** Most positions that one grant can name. */
export const GRANT_COUNT_MAX = 60;
const GRANT_WORD = 17;

/** How long a worker may use a grant after its reply came. */
export const GRANT_VALID_MS = 1000;

const INT32_MAX = 0x7fffffff;

/** The fields of an ask; one object of this shape may be filled again and again. */
export interface AskFields {
  askId: number;
  routeIndex: number;
  /** {@link NO_UPSTREAM}: about limits only. */
  upstreamIndex: number;
  /** Bit p: the target at position p of the upstream's targetIndexes was tried. */
  triedMask: number;
  /** ASK_ flags, and from {@link ASK_KEY_GRANT_SHIFT} on the wish for a key grant. */
  flags: number;
  /** The hash by which the consistentHash policy chooses; 0 for other policies. */
  balanceHash: number;
  /** Position of the target that the client's cookie names, or {@link NO_PREFERENCE}. */
  preferredTarget: number;
  /**
   * 0: no limit. A retry of an admitted request passes 0, because the request was counted already.
   */
  limitCount: number;
  /** Limiter index, key hash high, key hash low: `limitCount` times. */
  readonly limits: Int32Array;
}

/** Fields of an ask that asks for nothing yet. */
export function createAskFields(): AskFields {
  return {
    askId: 0,
    routeIndex: 0,
    upstreamIndex: 0,
    triedMask: 0,
    flags: 0,
    balanceHash: 0,
    preferredTarget: NO_PREFERENCE,
    limitCount: 0,
    limits: new Int32Array(ASK_LIMITS_MAX * LIMIT_WORDS),
  };
}

/** Adds a limit to an ask, at the place that its limitCount says. */
export function addLimit(ask: AskFields, limiterIndex: number, high: number, low: number): void {
  const at = ask.limitCount * LIMIT_WORDS;
  ask.limits[at] = limiterIndex;
  ask.limits[at + 1] = high;
  ask.limits[at + 2] = low;
  ask.limitCount += 1;
}

export abstract class SlotView {
  private words: Int32Array = new Int32Array(0);
  private base = 0;

  bind(words: Int32Array, base: number): void {
    this.words = words;
    this.base = base;
  }

  protected at(word: number): number {
    return this.words[this.base + word] as number;
  }

  protected copy(wordCount: number): Int32Array {
    return this.words.slice(this.base, this.base + wordCount);
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
  get triedMask(): number {
    return this.at(5);
  }
  get flags(): number {
    return this.at(6);
  }
  get balanceHash(): number {
    return this.at(7);
  }
  get preferredTarget(): number {
    return this.at(8);
  }
  get limitCount(): number {
    return this.at(9);
  }
  /** False: it is about limits only. */
  get wantsTarget(): boolean {
    return this.upstreamIndex !== NO_UPSTREAM && !this.wantsTurnForLater;
  }
  get wantsTurnForLater(): boolean {
    return (this.flags & ASK_TURN_FOR_LATER) !== 0;
  }
  get wantsGrant(): boolean {
    return (this.flags & ASK_WANTS_GRANT) !== 0;
  }
  /** Admissions that the worker wants in advance; 0: none. */
  get keyGrantWish(): number {
    return (this.flags >>> ASK_KEY_GRANT_SHIFT) & ASK_KEY_GRANT_MAX;
  }

  limiterIndexAt(position: number): number {
    return this.at(ASK_LIMITS_WORD + position * LIMIT_WORDS);
  }

  keyHashHighAt(position: number): number {
    return this.at(ASK_LIMITS_WORD + position * LIMIT_WORDS + 1);
  }

  keyHashLowAt(position: number): number {
    return this.at(ASK_LIMITS_WORD + position * LIMIT_WORDS + 2);
  }

  /** A copy that stays when the slot is given back: a view can be bound to it. */
  copyWords(): Int32Array {
    return this.copy(ASK_WORDS);
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
  /** 0: the request counts against no limit on requests in flight, so its end need not be told. */
  get inFlightTicket(): number {
    return this.at(6);
  }

  /** What the request has cost under this limit, -1 where nobody told; 0: it is not told of. */
  costOf(limiterIndex: number): number {
    const end = TELL_COSTS_WORD + 2 * this.at(TELL_COST_COUNT_WORD);
    for (let at = TELL_COSTS_WORD; at < end; at += 2) {
      if (this.at(at) === limiterIndex) return this.at(at + 1);
    }
    return 0;
  }
}

export class ReplyView extends SlotView {
  get askId(): number {
    return this.at(0);
  }
  get generation(): number {
    return this.at(1);
  }
  get verdict(): Verdict {
    return this.at(2) as Verdict;
  }
  /** {@link NO_TARGET}: no try is admitted, or none was asked for. */
  get targetIndex(): number {
    return this.at(3);
  }
  get ticket(): number {
    return this.at(4);
  }
  /** The tightest limit, to which remaining and reset belong. -1: there is no limit. */
  get limiterIndex(): number {
    return this.at(5);
  }
  get remaining(): number {
    return this.at(6);
  }
  get resetMs(): number {
    return longTime(this.at(7));
  }
  get retryAfterMs(): number {
    return longTime(this.at(8));
  }
  get grantCount(): number {
    return this.at(9);
  }
  /** Serial of the upstream when the turns were given: see upstream-standings.ts. */
  get standing(): number {
    return this.at(10);
  }
  get upstreamIndex(): number {
    return this.at(11);
  }
  get askFlags(): number {
    return this.at(12);
  }
  get keyGrantCount(): number {
    return this.at(13);
  }
  /** Low 32 bits of the whole millisecond of the shared clock after which the key grant is void. */
  get keyGrantUntil(): number {
    return this.at(14);
  }
  /**
   * After a refusal by a limit: until when the refusal holds, in the form of keyGrantUntil; 0:
   * unknown.
   */
  get refusedUntil(): number {
    return this.at(14);
  }
  get inFlightTicket(): number {
    return this.at(15);
  }
  get shadowRefused(): number {
    return this.at(16);
  }

  /** The position of a turn given in advance. */
  grantPositionAt(turn: number): number {
    return (this.at(GRANT_WORD + (turn >> 2)) >>> ((turn & 3) * 8)) & 0xff;
  }
}

/** What the coordinator fills in for an ask; every ask uses the same object. */
export class ReplyFields {
  verdict: Verdict = VERDICT_NONE;
  targetIndex = NO_TARGET;
  ticket = 0;
  limiterIndex = -1;
  remaining = -1;
  resetMs = 0;
  retryAfterMs = 0;
  grantCount = 0;
  standing = 0;
  /** The first `grantCount` of these are valid. */
  readonly grantPositions = new Uint8Array(GRANT_COUNT_MAX);
  keyGrantCount = 0;
  keyGrantUntil = 0;
  refusedUntil = 0;
  inFlightTicket = 0;
  shadowRefused = 0;

  clear(): void {
    this.verdict = VERDICT_NONE;
    this.targetIndex = NO_TARGET;
    this.ticket = 0;
    this.limiterIndex = -1;
    this.remaining = -1;
    this.resetMs = 0;
    this.retryAfterMs = 0;
    this.grantCount = 0;
    this.standing = 0;
    this.keyGrantCount = 0;
    this.keyGrantUntil = 0;
    this.refusedUntil = 0;
    this.inFlightTicket = 0;
    this.shadowRefused = 0;
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
  words[base + 5] = ask.triedMask;
  words[base + 6] = ask.flags;
  words[base + 7] = ask.balanceHash;
  words[base + 8] = ask.preferredTarget;
  words[base + 9] = ask.limitCount;
  const limitWords = ask.limitCount * LIMIT_WORDS;
  for (let at = 0; at < limitWords; at += 1) {
    words[base + ASK_LIMITS_WORD + at] = ask.limits[at] as number;
  }
}

export function writeAbandon(
  words: Int32Array,
  base: number,
  generation: number,
  ask: Pick<AskFields, 'askId' | 'upstreamIndex'>,
): void {
  words[base] = SLOT_ABANDON;
  words[base + 1] = generation;
  words[base + 2] = ask.askId;
  words[base + 4] = ask.upstreamIndex;
  // The slot may have been that of an ask with flags.
  words[base + 6] = 0;
}

/** The outcome of one try. The worker keeps a queue of these while the ring is full. */
export interface TellFields {
  targetIndex: number;
  ticket: number;
  outcome: number;
  upstreamIndex: number;
  inFlightTicket: number;
  /** What the request has cost; null: nothing. */
  costs: TellCosts | null;
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
  words[base + 6] = tell.inFlightTicket;
  const { costs } = tell;
  words[base + TELL_COST_COUNT_WORD] = costs === null ? 0 : costs.count;
  if (costs === null) return;
  for (let at = 0; at < 2 * costs.count; at += 1) {
    words[base + TELL_COSTS_WORD + at] = costs.words[at] as number;
  }
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
  words[base + 5] = reply.limiterIndex;
  words[base + 6] = Math.min(reply.remaining, INT32_MAX);
  words[base + 7] = timeWord(reply.resetMs);
  words[base + 8] = timeWord(reply.retryAfterMs);
  words[base + 9] = reply.grantCount;
  words[base + 10] = reply.standing;
  words[base + 11] = ask.upstreamIndex;
  words[base + 12] = ask.flags;
  words[base + 13] = reply.keyGrantCount;
  const isLimited = reply.verdict === VERDICT_RATE_LIMITED;
  words[base + 14] = isLimited ? reply.refusedUntil : reply.keyGrantUntil;
  words[base + 15] = reply.inFlightTicket;
  words[base + 16] = reply.shadowRefused;
  for (let turn = 0; turn < reply.grantCount; turn += 4) {
    words[base + GRANT_WORD + (turn >> 2)] = packPositions(reply.grantPositions, turn);
  }
}

/** Milliseconds; from 24 days on whole seconds, as a negative number. */
function timeWord(ms: number): number {
  return ms <= INT32_MAX ? ms : -Math.min(Math.ceil(ms / 1000), INT32_MAX);
}

function longTime(word: number): number {
  return word >= 0 ? word : -word * 1000;
}

function packPositions(positions: Uint8Array, first: number): number {
  let packed = 0;
  for (let at = 3; at >= 0; at -= 1) packed = (packed << 8) | (positions[first + at] as number);
  return packed;
}
