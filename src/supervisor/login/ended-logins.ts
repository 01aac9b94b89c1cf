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

  /** Returns what is known of these sessions now: of two ends the one that ends more. */
  add(told: LoginEnd, unixSeconds: number): LoginEnd {
    const key = endKey(told.realm, told.by, told.value);
    const before = this.ends.get(key);
    const end = before === undefined ? told : wider(before, told);
    this.ends.delete(key);
    this.ends.set(key, end);
    for (const [oldest, known] of this.ends) {
      const isOver = known.until <= unixSeconds;
      if (!isOver && this.ends.size <= ENDS_MAX) break;
      this.ends.delete(oldest);
      if (!isOver) this.onForgotten(known);
    }
    return end;
  }

  find(realm: string, by: LoginEnd['by'], value: string): LoginEnd | undefined {
    return this.ends.get(endKey(realm, by, value));
  }

  get all(): readonly LoginEnd[] {
    return [...this.ends.values()];
  }
}

function wider(one: LoginEnd, other: LoginEnd): LoginEnd {
  const beganBy = Math.max(one.beganBy, other.beganBy);
  return { ...other, beganBy, until: Math.max(one.until, other.until) };
}
