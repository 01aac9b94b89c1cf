/**
 * Asks that wait for the main thread: a bounded number, each with a deadline.
 *
 * Thread: worker. Owns a timer for each. An ask that nobody answers in time, and one for which
 * there is no room, gets the reply that its owner gives for that.
 */
import type { Clock, Timer } from '../../base/clock.js';

export interface WaitingRule<Reply> {
  /** More could not be answered in time. */
  readonly asksMax: number;
  readonly waitMs: number;
  /** There is no room for another one. */
  readonly whenFull: Reply;
  readonly whenLate: Reply;
}

interface WaitingAsk<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly timer: Timer;
}

export class WaitingAsks<Reply> {
  private readonly waiting = new Map<number, WaitingAsk<Reply>>();
  private lastAskId = 0;

  constructor(
    private readonly clock: Pick<Clock, 'after'>,
    private readonly rule: WaitingRule<Reply>,
  ) {}

  /** `post` sends the ask under this number. Never rejects. */
  ask(post: (askId: number) => void): Promise<Reply> {
    const { asksMax, waitMs, whenFull, whenLate } = this.rule;
    if (this.waiting.size >= asksMax) return Promise.resolve(whenFull);
    return new Promise((resolve) => {
      const askId = ++this.lastAskId;
      const timer = this.clock.after(waitMs, () => this.onReply(askId, whenLate));
      this.waiting.set(askId, { resolve, timer });
      post(askId);
    });
  }

  onReply(askId: number, reply: Reply): void {
    const ask = this.waiting.get(askId);
    if (ask === undefined) return;
    this.waiting.delete(askId);
    ask.timer.cancel();
    ask.resolve(reply);
  }
}
