/**
 * How old a reply is, and for how long it is fresh.
 *
 * Thread: any (pure). RFC 9111 section 4.2. What fields say is wall-clock time. Time that passes
 * here is told by both clocks, and the one that has gone further counts.
 * Invariant: an age and a lifetime are never negative and never above SECONDS_MAX seconds, whatever
 * clocks and fields say.
 */
import type { Moment } from '../../base/clock.js';
import { ABSENT_S, type CacheDirectives, SECONDS_MAX } from './cache-directives.js';

/** When a reply came, and what it says of its own age. */
export interface ReplyTimes {
  /** When its target was asked, on the monotonic clock. */
  readonly requestMs: number;
  /** When its head came, on the monotonic clock. */
  readonly responseMs: number;
  readonly responseUnixMs: number;
  /** Date; NaN: it has none that can be read. */
  readonly dateUnixMs: number;
  /** The Age field as it came; '': none. */
  readonly age: string;
}

/** What a reply says of its own lifetime. */
export interface LifetimeFields {
  readonly directives: CacheDirectives;
  /** Expires; NaN: it cannot be read, which means the past; undefined: there is none. */
  readonly expiresUnixMs: number | undefined;
  /** NaN: there is none. */
  readonly lastModifiedUnixMs: number;
}

const AGE_MAX_MS = SECONDS_MAX * 1000;
/** No guess is longer than this. */
const HEURISTIC_MS_MAX = 24 * 3_600_000;

/** When a reply was made, as each clock of this machine has it. */
export interface Birth {
  readonly bornMs: number;
  readonly bornUnixMs: number;
}

/** Of a reply that has just come. */
export function birthOf(times: ReplyTimes): Birth {
  const { requestMs, responseMs, responseUnixMs, dateUnixMs } = times;
  const apparentMs = Number.isNaN(dateUnixMs) ? 0 : Math.max(0, responseUnixMs - dateUnixMs);
  const delayMs = Math.max(0, responseMs - requestMs);
  const correctedMs = ageValueS(times.age) * 1000 + delayMs;
  const ageMs = Math.min(AGE_MAX_MS, Math.max(apparentMs, correctedMs));
  return { bornMs: responseMs - ageMs, bornUnixMs: responseUnixMs - ageMs };
}

/** Of several values the first counts; one that is no number counts as none (section 5.1). */
function ageValueS(text: string): number {
  const [first = ''] = text.split(',', 1);
  const digits = /^\s*(\d+)\s*(?:;.*)?$/.exec(first)?.[1];
  return digits === undefined ? 0 : Math.min(SECONDS_MAX, Number(digits));
}

/**
 * By the clock that has gone further: a wall clock that was set back keeps nothing fresh, nor does
 * a monotonic one that stood still while the machine slept.
 */
export function ageMs({ bornMs, bornUnixMs }: Birth, { nowMs, unixMs }: Moment): number {
  return Math.min(AGE_MAX_MS, Math.max(0, nowMs - bornMs, unixMs - bornUnixMs));
}

/** For a shared cache; undefined: the reply does not say. */
export function explicitLifetimeMs(
  { directives, expiresUnixMs }: LifetimeFields,
  { dateUnixMs, responseUnixMs }: ReplyTimes,
): number | undefined {
  const { sharedMaxAgeS, maxAgeS } = directives;
  if (sharedMaxAgeS !== ABSENT_S) return sharedMaxAgeS * 1000;
  if (maxAgeS !== ABSENT_S) return maxAgeS * 1000;
  if (expiresUnixMs === undefined) return undefined;
  if (Number.isNaN(expiresUnixMs)) return 0;
  const fromUnixMs = Number.isNaN(dateUnixMs) ? responseUnixMs : dateUnixMs;
  return Math.min(AGE_MAX_MS, Math.max(0, expiresUnixMs - fromUnixMs));
}

/** `percent` of the time since the last change (section 4.2.2), and at most a day. */
export function heuristicLifetimeMs(
  { lastModifiedUnixMs }: LifetimeFields,
  { dateUnixMs, responseUnixMs }: ReplyTimes,
  percent: number,
): number {
  if (Number.isNaN(lastModifiedUnixMs)) return 0;
  const fromUnixMs = Number.isNaN(dateUnixMs) ? responseUnixMs : dateUnixMs;
  const unchangedMs = Math.max(0, fromUnixMs - lastModifiedUnixMs);
  return Math.min(HEURISTIC_MS_MAX, Math.floor((unchangedMs * percent) / 100));
}
