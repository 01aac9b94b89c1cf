/**
 * How old a reply is, and for how long it is fresh.
 *
 * Thread: any (pure). RFC 9111 section 4.2. Times are wall-clock milliseconds.
 * Invariant: an age and a lifetime are never negative and never above SECONDS_MAX seconds, whatever
 * clocks and fields say.
 */
import { ABSENT_S, type CacheDirectives, SECONDS_MAX } from './cache-directives.js';

/** When a reply came, and what it says of its own age. */
export interface ReplyTimes {
  readonly requestUnixMs: number;
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

/** When the reply was made as this clock has it: now less that is its age. */
export function bornUnixMs(times: ReplyTimes): number {
  const { requestUnixMs, responseUnixMs, dateUnixMs } = times;
  const apparentMs = Number.isNaN(dateUnixMs) ? 0 : Math.max(0, responseUnixMs - dateUnixMs);
  const delayMs = Math.max(0, responseUnixMs - requestUnixMs);
  const correctedMs = ageValueS(times.age) * 1000 + delayMs;
  return responseUnixMs - Math.min(AGE_MAX_MS, Math.max(apparentMs, correctedMs));
}

/** Of several values the first counts; one that is no number counts as none (section 5.1). */
function ageValueS(text: string): number {
  const [first = ''] = text.split(',', 1);
  const digits = /^\s*(\d+)\s*(?:;.*)?$/.exec(first)?.[1];
  return digits === undefined ? 0 : Math.min(SECONDS_MAX, Number(digits));
}

/** A clock that was set back makes nothing younger than new. */
export function ageMs(born: number, nowUnixMs: number): number {
  return Math.min(AGE_MAX_MS, Math.max(0, nowUnixMs - born));
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
