/**
 * What each policy promises, checked over plain lists of the moments at which requests passed.
 */
import type { CompiledLimiter } from '../../src/config/compiled-config.js';

const TOLERANCE = 1e-6;

/** The requests of one key that passed one limiter, by time. */
export class NaiveHistory {
  private readonly times: number[] = [];
  /** Of a token bucket, after each of them. */
  private readonly levels: number[] = [];

  constructor(private readonly limiter: CompiledLimiter) {}

  get count(): number {
    return this.times.length;
  }

  /** Throws when the limiter should not have let this one through. */
  admit(atMs: number): void {
    let place = this.times.length;
    while (place > 0 && (this.times[place - 1] as number) > atMs) place -= 1;
    this.times.splice(place, 0, atMs);
    const { algorithm, limit, cost, windowMs } = this.limiter;
    if (algorithm === 'tokenBucket') this.checkBucket(place);
    else {
      const admissionsMax = Math.floor(limit / cost) * (algorithm === 'fixedWindow' ? 2 : 1);
      this.checkWindows(place, admissionsMax, windowMs);
    }
  }

  /** Only windows in which the new one lies. */
  private checkWindows(place: number, admissionsMax: number, windowMs: number): void {
    const last = Math.min(place, this.times.length - 1 - admissionsMax);
    for (let at = Math.max(0, place - admissionsMax); at <= last; at += 1) {
      const first = this.times[at] as number;
      const next = this.times[at + admissionsMax] as number;
      if (next - first < windowMs) {
        const many = `${admissionsMax + 1} requests within ${next - first} ms`;
        throw new Error(`${this.limiter.name} let through ${many}, from ${first} on`);
      }
    }
  }

  private checkBucket(place: number): void {
    const { limit, windowMs, burst, cost, name } = this.limiter;
    for (let at = place; at < this.times.length; at += 1) {
      const atMs = this.times[at] as number;
      const before = this.levels[at - 1] ?? burst;
      const lastMs = this.times[at - 1] ?? atMs;
      const level = Math.min(burst, before + ((atMs - lastMs) * limit) / windowMs) - cost;
      this.levels[at] = level;
      if (level < -TOLERANCE) throw new Error(`${name} let one through at ${atMs} without a token`);
    }
  }
}

/** Histories of all keys of all limiters. */
export class NaiveLimits {
  private readonly histories = new Map<string, NaiveHistory>();

  constructor(private readonly limiters: readonly CompiledLimiter[]) {}

  admit(limiterIndex: number, key: number, atMs: number): void {
    const limiter = this.limiters[limiterIndex];
    if (limiter === undefined) throw new Error(`no limiter ${limiterIndex}`);
    if (limiter.algorithm === 'inFlight') return;
    const name = `${limiterIndex} ${key}`;
    let history = this.histories.get(name);
    if (history === undefined) {
      history = new NaiveHistory(limiter);
      this.histories.set(name, history);
    }
    history.admit(atMs);
  }
}
