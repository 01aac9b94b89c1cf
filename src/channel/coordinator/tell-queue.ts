/**
 * Tells that found the ring full, kept in order until there is room.
 *
 * Thread: any (pure). Owned by the worker end of the coordinator channel.
 *
 * A tell with a ticket is always kept: the requests in flight bound the number of such tells. Plain
 * tells only make a failure count more accurate, so at most {@link PLAIN_TELLS_MAX} of them are
 * kept.
 */
import { assert } from '../../base/assert.js';
import type { TellFields } from './coordinator-records.js';
import { createTellCosts, TELL_COSTS_MAX } from './tell-costs.js';

export const PLAIN_TELLS_MAX = 16_384;

const COST_COUNT_WORD = 5;
const COSTS_WORD = 6;
const TELL_WORDS = COSTS_WORD + 2 * TELL_COSTS_MAX;
const FIRST_CAPACITY = 64;

export class TellQueue {
  private words = new Int32Array(FIRST_CAPACITY * TELL_WORDS);
  private head = 0;
  private count = 0;
  private droppedCount = 0;
  /** Of the tell that was shifted last. */
  private readonly costs = createTellCosts();

  get length(): number {
    return this.count;
  }

  /** Plain tells that were dropped. */
  get dropped(): number {
    return this.droppedCount;
  }

  push(tell: TellFields): void {
    if (tell.ticket === 0 && tell.inFlightTicket === 0 && this.count >= PLAIN_TELLS_MAX) {
      this.droppedCount += 1;
      return;
    }
    if (this.count * TELL_WORDS === this.words.length) this.grow();
    const at = this.wordOf(this.head + this.count);
    this.words[at] = tell.targetIndex;
    this.words[at + 1] = tell.ticket;
    this.words[at + 2] = tell.outcome;
    this.words[at + 3] = tell.upstreamIndex;
    this.words[at + 4] = tell.inFlightTicket;
    this.words[at + COST_COUNT_WORD] = tell.costs === null ? 0 : tell.costs.count;
    if (tell.costs !== null) this.words.set(tell.costs.words, at + COSTS_WORD);
    this.count += 1;
  }

  /** Copies the oldest tell into `tell`, and removes it. Its costs stay until the next call. */
  shiftInto(tell: TellFields): void {
    assert(this.count > 0, 'only a queue with something in it is shifted');
    const at = this.wordOf(this.head);
    tell.targetIndex = this.words[at] as number;
    tell.ticket = this.words[at + 1] as number;
    tell.outcome = this.words[at + 2] as number;
    tell.upstreamIndex = this.words[at + 3] as number;
    tell.inFlightTicket = this.words[at + 4] as number;
    this.costs.count = this.words[at + COST_COUNT_WORD] as number;
    this.costs.words.set(this.words.subarray(at + COSTS_WORD, at + TELL_WORDS));
    tell.costs = this.costs.count === 0 ? null : this.costs;
    this.head = (this.head + 1) % (this.words.length / TELL_WORDS);
    this.count -= 1;
  }

  private wordOf(entry: number): number {
    return (entry * TELL_WORDS) % this.words.length;
  }

  private grow(): void {
    const old = this.words;
    const cut = this.head * TELL_WORDS;
    this.words = new Int32Array(old.length * 2);
    this.words.set(old.subarray(cut));
    this.words.set(old.subarray(0, cut), old.length - cut);
    this.head = 0;
  }
}
