/**
 * Decides whether a reply may be stored, and what is kept of what it says about itself.
 *
 * Thread: any (pure). RFC 9111 sections 3, 3.1, 3.5 and 4.2; RFC 5861; RFC 9213.
 * Invariant: what is ambiguous is not stored.
 */

import type { NotStored } from '../../base/cache-reasons.js';
import { entriesOf, type FieldBlock, NO_FIELDS, withoutFields } from '../../base/field-block.js';
import { parseHttpDate } from '../../base/http-date.js';
import {
  ABSENT_S,
  type CacheDirectives,
  parseCacheControl,
  parseTargeted,
} from './cache-directives.js';
import {
  type Birth,
  birthOf,
  explicitLifetimeMs,
  heuristicLifetimeMs,
  type ReplyTimes,
} from './freshness.js';
import { variantOf } from './variant.js';

/** What a route says about its replies. */
export interface StoringRules {
  /** Percentage of the time since the last change that a reply without a lifetime is fresh; 0. */
  readonly heuristicPercent: number;
  readonly entryBytesMax: number;
  /** Replies are stored without their Set-Cookie fields. */
  readonly dropsCookies: boolean;
  /** Targeted fields, lower case; the first that a reply has holds in place of Cache-Control. */
  readonly targeted: readonly string[];
  /** What holds where a reply does not say; 0: never stale. Others hold for `s-maxage` as well. */
  readonly staleIfErrorMs: number;
  /** The same while it is validated. */
  readonly staleWhileRevalidateMs: number;
}

/** The request that was sent. */
export interface StoringRequest {
  readonly method: string;
  /** It says who asks, in a way that is no part of the key. */
  readonly hasCredentials: boolean;
  /** Its own Cache-Control. */
  readonly directives: CacheDirectives;
  /** All values of a field as one list, or ''. */
  value(lowerName: string): string;
}

export interface StoringReply {
  readonly status: number;
  readonly fields: FieldBlock;
  /** Date as it came, where it is not among the fields; '': none. */
  readonly date: string;
  /** -1: not known. */
  readonly bodyBytes: number;
  /** On the monotonic clock. */
  readonly requestMs: number;
  /** On the monotonic clock. */
  readonly responseMs: number;
  readonly responseUnixMs: number;
}

/** How long a stored reply may be used, in milliseconds. */
export interface Lifetimes extends Birth {
  readonly freshMs: number;
  /** Beyond freshness, while it is validated. */
  readonly whileRevalidateMs: number;
  /** Beyond freshness, when there is no good reply. */
  readonly ifErrorMs: number;
  /** It is never used without validation, fresh or not. */
  readonly isAlwaysValidated: boolean;
}

export interface Storable extends Lifetimes {
  readonly fields: FieldBlock;
  /** What of the request selects it; '': every request. */
  readonly variant: string;
}

/** RFC 9110 section 15: may be kept without a lifetime of their own. */
const HEURISTIC_STATUSES = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
/** Those whose rules for caching the gateway follows (RFC 9111 section 5.2.2.3). */
const UNDERSTOOD_STATUSES = new Set([
  ...HEURISTIC_STATUSES,
  ...[201, 202, 302, 303, 307, 400, 401, 402, 403, 406, 407, 408, 409, 411, 412, 413, 415, 416],
  ...[417, 421, 422, 426, 428, 429, 431, 451, 500, 502, 503, 504, 505],
]);

/** Of one hop or one login: never stored (section 3.1). */
const NEVER_STORED = [
  'connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'trailer',
  'age',
  'cache-status',
];

export function judgeReply(
  request: StoringRequest,
  reply: StoringReply,
  rules: StoringRules,
): Storable | NotStored {
  const directives = directivesOf(reply.fields, rules);
  const refused = refusalOf(request, reply, rules, directives);
  if (refused !== null) return refused;
  const vary = variesBy(reply.fields);
  const variant = variantOf(vary, request);
  if (variant === null) return 'vary';
  const lifetimes = lifetimesOf(reply, rules, directives);
  return lifetimes === null
    ? 'no-freshness'
    : { ...lifetimes, variant, fields: storedFields(reply.fields, rules, directives) };
}

function refusalOf(
  request: StoringRequest,
  { status, fields, bodyBytes }: StoringReply,
  { entryBytesMax, dropsCookies }: StoringRules,
  directives: CacheDirectives,
): NotStored | null {
  const { noStore, mustUnderstand, isPrivate } = directives;
  if (request.method !== 'GET') return 'method';
  if (status < 200 || status === 206 || status === 304) return 'status';
  if (mustUnderstand && !UNDERSTOOD_STATUSES.has(status)) return 'status';
  // RFC 9111 section 5.2.2.3: who understands the status may ignore no-store beside it.
  if (request.directives.noStore || (noStore && !mustUnderstand)) return 'no-store';
  if (isPrivate) return 'private';
  if (request.hasCredentials && !isForAll(directives)) return 'credentials';
  if (!dropsCookies && listOf(fields, 'set-cookie') !== '') return 'set-cookie';
  return bodyBytes > entryBytesMax ? 'too-large' : null;
}

/**
 * What the reply varies by, also where its target forgets to say so: a coded body is not for those
 * who did not ask for the coding, nor a permission for one origin for another.
 */
function variesBy(fields: FieldBlock): string {
  const said = listOf(fields, 'vary');
  const isCoded = listOf(fields, 'content-encoding') !== '';
  const allowed = listOf(fields, 'access-control-allow-origin');
  const names = [
    said,
    isCoded ? 'accept-encoding' : '',
    allowed === '' || allowed === '*' ? '' : 'origin',
  ];
  return names.filter((name) => name !== '').join(', ');
}

/** Section 3.5. */
function isForAll({ isPublic, mustRevalidate, sharedMaxAgeS }: CacheDirectives): boolean {
  return isPublic || mustRevalidate || sharedMaxAgeS !== ABSENT_S;
}

function directivesOf(fields: FieldBlock, { targeted }: StoringRules): CacheDirectives {
  for (const name of targeted) {
    const text = listOf(fields, name);
    const found = text === '' ? null : parseTargeted(text);
    if (found !== null) return found;
  }
  return parseCacheControl(listOf(fields, 'cache-control'));
}

function lifetimesOf(
  reply: StoringReply,
  rules: StoringRules,
  directives: CacheDirectives,
): Lifetimes | null {
  const { status, fields, responseUnixMs } = reply;
  const times = timesOf(reply);
  const expires = valuesOf(fields, 'expires');
  const targets = {
    directives,
    expiresUnixMs: expires.length === 0 ? undefined : expiryOf(expires, responseUnixMs),
    lastModifiedUnixMs: parseHttpDate(listOf(fields, 'last-modified'), responseUnixMs),
  };
  const said = explicitLifetimeMs(targets, times);
  const mayGuess = HEURISTIC_STATUSES.includes(status) || directives.isPublic;
  const guessed = mayGuess ? heuristicLifetimeMs(targets, times, rules.heuristicPercent) : 0;
  const freshMs = said ?? guessed;
  const isAlwaysValidated = directives.noCache;
  const hasValidator = listOf(fields, 'etag') !== '' || listOf(fields, 'last-modified') !== '';
  const { whileRevalidateMs, ifErrorMs } = staleTimesOf(directives, rules);
  const isUsefulStale = said !== undefined && ifErrorMs + whileRevalidateMs > 0;
  const isUseful = isAlwaysValidated
    ? hasValidator && status === 200
    : freshMs > 0 || isUsefulStale || (hasValidator && status === 200);
  if (!isUseful) return null;
  return {
    ...birthOf(times),
    freshMs,
    whileRevalidateMs,
    ifErrorMs,
    isAlwaysValidated,
  };
}

function timesOf(reply: StoringReply): ReplyTimes {
  const { date, fields, requestMs, responseMs, responseUnixMs } = reply;
  const text = date === '' ? listOf(fields, 'date') : date;
  const dateUnixMs = parseHttpDate(text, responseUnixMs);
  return { requestMs, responseMs, responseUnixMs, dateUnixMs, age: listOf(fields, 'age') };
}

/** One that is there twice cannot be read, nor what is no date (section 5.3). */
function expiryOf(values: readonly string[], nowUnixMs: number): number {
  const [first = '', another] = values;
  return another === undefined ? parseHttpDate(first, nowUnixMs) : Number.NaN;
}

/**
 * Section 4.2.4: some replies are never used stale, whatever the route says. `s-maxage` forbids it
 * as well (5.2.2.10), though few who write it mean that: there the route may say otherwise.
 */
function staleTimesOf(
  directives: CacheDirectives,
  rules: StoringRules,
): Pick<Lifetimes, 'whileRevalidateMs' | 'ifErrorMs'> {
  const { mustRevalidate, proxyRevalidate, noCache, sharedMaxAgeS } = directives;
  if (mustRevalidate || proxyRevalidate || noCache) return { whileRevalidateMs: 0, ifErrorMs: 0 };
  const { staleWhileRevalidateS, staleIfErrorS } = directives;
  const needsRoute = sharedMaxAgeS !== ABSENT_S;
  const timeOf = (saidS: number, routeMs: number): number =>
    needsRoute && routeMs === 0 ? 0 : orElse(saidS, routeMs);
  return {
    whileRevalidateMs: timeOf(staleWhileRevalidateS, rules.staleWhileRevalidateMs),
    ifErrorMs: timeOf(staleIfErrorS, rules.staleIfErrorMs),
  };
}

function orElse(seconds: number, ms: number): number {
  return seconds === ABSENT_S ? ms : seconds * 1000;
}

function storedFields(
  fields: FieldBlock,
  { dropsCookies }: StoringRules,
  { privateFields, noCacheFields }: CacheDirectives,
): FieldBlock {
  const dropped = new Set([...NEVER_STORED, ...privateFields, ...noCacheFields]);
  if (dropsCookies) dropped.add('set-cookie');
  return fields === NO_FIELDS ? fields : withoutFields(fields, dropped);
}

/** All values of a field, each as its line has it. */
export function valuesOf(fields: FieldBlock, lowerName: string): string[] {
  const values: string[] = [];
  for (const [name, value] of entriesOf(fields)) {
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) {
      values.push(value.trim());
    }
  }
  return values;
}

/** All values of a field as one list (RFC 9110 section 5.3), or ''. */
export function listOf(fields: FieldBlock, lowerName: string): string {
  return valuesOf(fields, lowerName).join(', ');
}
