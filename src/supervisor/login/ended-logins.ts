/**
 * Sessions that have ended before their time, for as long as their cookies would be good.
 *
 * Thread: supervisor (on the main thread). Bounded: of too many the oldest ends are forgotten,
 * which is told.
 */
import type { LoginEnd } from '../../base/login.js';
import { endKey } from '../../filters/authentication/oidc/login-ends.js';

export const ENDS_MAX = 100_000;

export class EndedLogins {
  /** By key, in order of time. */
  private readonly ends = new Map<string, LoginEnd>();

  /** `onForgotten` hears of an end that had to make room. */
  constructor(private readonly onForgotten: (end: LoginEnd) => void) {}

  add(end: LoginEnd, unixSeconds: number): void {
    const key = endKey(end.provider, end.by, end.value);
    this.ends.delete(key);
    this.ends.set(key, end);
    for (const [oldest, known] of this.ends) {
      const isOver = known.until <= unixSeconds;
      if (!isOver && this.ends.size <= ENDS_MAX) break;
      this.ends.delete(oldest);
      if (!isOver) this.onForgotten(known);
    }
  }

  find(provider: string, by: LoginEnd['by'], value: string): LoginEnd | undefined {
    return this.ends.get(endKey(provider, by, value));
  }

  get all(): readonly LoginEnd[] {
    return [...this.ends.values()];
  }
}
