/**
 * A source that is asked again and again: when the next question comes, and what a failure changes.
 *
 * Thread: supervisor (on the main thread). Owns a timer and at most one question in flight. A
 * question that fails is followed by the next one soon, and then ever later, up to the usual time.
 */
import type { Clock, Timer } from '../../base/clock.js';
import type { AddressSource, FoundTarget, SourceListener } from './address-source.js';

const RETRY_MS_FIRST = 1_000;

/** The outcome of a question that succeeded. */
export interface Answer {
  readonly found: readonly FoundTarget[];
  /** When to ask next. */
  readonly nextMs: number;
}

export interface AskedSourceParts {
  readonly clock: Clock;
  /** The longest time between two questions, whatever has failed. */
  readonly retryMsMax: number;
  /**
   * `isFresh`: what is known must not be taken for the answer. Rejects with an Error that says what
   * went wrong. Must settle.
   */
  ask(signal: AbortSignal, isFresh: boolean): Promise<Answer>;
}

export class AskedSource implements AddressSource {
  private timer: Timer | null = null;
  private asking: AbortController | null = null;
  private mustAskAgain = false;
  private isFresh = false;
  private isStopped = false;
  private failures = 0;

  constructor(
    private readonly parts: AskedSourceParts,
    private readonly listener: SourceListener,
  ) {}

  start(): void {
    void this.ask();
  }

  lookAgain(): void {
    if (this.isStopped) return;
    this.isFresh = true;
    if (this.asking === null) {
      void this.ask();
      return;
    }
    // What is on its way may be older than this, or wait for a change.
    this.mustAskAgain = true;
    this.asking.abort();
  }

  stop(): void {
    this.isStopped = true;
    this.timer?.cancel();
    this.asking?.abort();
  }

  private async ask(): Promise<void> {
    this.timer?.cancel();
    this.asking = new AbortController();
    this.mustAskAgain = false;
    let nextMs: number;
    try {
      const { isFresh } = this;
      this.isFresh = false;
      const answer = await this.parts.ask(this.asking.signal, isFresh);
      if (this.isStopped) return;
      this.failures = 0;
      nextMs = answer.nextMs;
      this.listener.onTargets(answer.found);
    } catch (error) {
      if (this.isStopped) return;
      if (this.mustAskAgain) {
        this.asking = null;
        this.timer = this.parts.clock.after(0, () => void this.ask());
        return;
      }
      nextMs = Math.min(this.parts.retryMsMax, RETRY_MS_FIRST * 2 ** Math.min(this.failures, 16));
      this.failures += 1;
      this.listener.onError(error instanceof Error ? error.message : String(error));
    }
    this.asking = null;
    // The listener may have stopped the source.
    if (this.isStopped) return;
    this.timer = this.parts.clock.after(this.mustAskAgain ? 0 : nextMs, () => void this.ask());
  }
}
