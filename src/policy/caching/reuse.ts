/**
 * Decides what becomes of a request for which a reply is stored.
 *
 * Thread: any (pure). RFC 9111 sections 4, 4.2.4 and 5.2.1; RFC 5861.
 */
import type { Moment } from '../../base/clock.js';
import { ABSENT_S, type CacheDirectives } from './cache-directives.js';
import { ageMs } from './freshness.js';
import type { Lifetimes } from './storing.js';

/**
 * `fresh`: it answers. `stale`: it answers, and is to be validated aside. `validate`: its origin is
 * asked first.
 */
export type Reuse = 'fresh' | 'stale' | 'validate';

/** `asked` is what the client wants, where clients may say so; null: they may not. */
export function judgeReuse(stored: Lifetimes, asked: CacheDirectives | null, now: Moment): Reuse {
  if (stored.isAlwaysValidated || asked?.noCache === true) return 'validate';
  const age = ageMs(stored, now);
  const leftMs = stored.freshMs - age;
  if (asked !== null && asked.maxAgeS !== ABSENT_S && age > asked.maxAgeS * 1000) {
    return 'validate';
  }
  const wantedMs = asked === null || asked.minFreshS === ABSENT_S ? 0 : asked.minFreshS * 1000;
  if (leftMs > 0) return leftMs >= wantedMs ? 'fresh' : 'validate';
  if (wantedMs > 0) return 'validate';
  const mayBeStale = stored.ifErrorMs + stored.whileRevalidateMs > 0;
  if (asked !== null && asked.maxStaleS !== ABSENT_S && mayBeStale) {
    if (-leftMs <= asked.maxStaleS * 1000) return 'fresh';
  }
  return -leftMs < stored.whileRevalidateMs ? 'stale' : 'validate';
}

/** Whether it may answer where its origin gives no good reply. */
export function mayServeOnError(stored: Lifetimes, now: Moment): boolean {
  if (stored.isAlwaysValidated) return false;
  const age = ageMs(stored, now);
  return age < stored.freshMs + stored.ifErrorMs;
}

/** Seconds of freshness that are left; negative: for how long it has been stale. */
export function freshLeftS(stored: Lifetimes, now: Moment): number {
  const leftMs = stored.freshMs - ageMs(stored, now);
  return Math.trunc(leftMs / 1000);
}
