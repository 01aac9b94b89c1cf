/**
 * What the cache of a route would do with a request, in words.
 *
 * Thread: any (pure).
 */
import { defined } from '../base/assert.js';
import type { BypassReason } from '../base/cache-reasons.js';
import type { Moment } from '../base/clock.js';
import { freshLeftS, mayServeOnError } from '../policy/caching/reuse.js';
import { RouteCache } from '../worker/cache/route-cache.js';
import type { Caching } from '../worker/exchange/caching.js';
import type { Exchange } from '../worker/exchange/exchange.js';
import type { WorkerRoute } from '../worker/route/worker-route.js';
import type { CacheLooked } from './cache-copy.js';
import type { CacheShown } from './explanation.js';
import { refusalOf, type StepFound } from './findings.js';

/** The explained exchange, after the cache was looked into. */
export interface CacheInquiry {
  readonly exchange: Exchange;
  readonly route: WorkerRoute;
  readonly looked: CacheLooked;
  readonly now: Moment;
}

export function cacheStep(inquiry: CacheInquiry): StepFound {
  const { look, status } = inquiry.looked;
  const detail = cacheShown(inquiry).why;
  if (typeof look === 'object') return { step: 'cache', detail, reply: refusalOf(look) };
  const isServed = look === 'serve';
  const reply = isServed ? { problem: null, status, detail: `From memory: ${detail}.` } : null;
  return { step: 'cache', detail, reply };
}

export function cacheShown({ exchange, route, looked, now }: CacheInquiry): CacheShown {
  const caching = defined(exchange.caching, 'what was looked for');
  const { entry } = caching;
  return {
    result: resultOf(looked, caching),
    key: shownKey(exchange, caching),
    freshSeconds: entry === null ? null : freshLeftS(entry.head, now),
    why: whyOf(looked, caching, { exchange, route, now }),
    notStored: caching.notStored ?? '',
  };
}

function resultOf({ look }: CacheLooked, { outcome, entry }: Caching): CacheShown['result'] {
  if (look === 'serve') return outcome === 'stale' ? 'stale' : 'hit';
  if (outcome === 'bypass') return 'bypass';
  return entry === null ? 'miss' : 'validate';
}

/** Without the rules, and with what filters have made of the target as far as it may be shown. */
function shownKey({ rewrittenTarget }: Exchange, { key }: Caching): string[] {
  const [, url = '', , ...others] = key.split('\n');
  return [url, rewrittenTarget, ...others].filter((part) => part !== '');
}

type WhyContext = Omit<CacheInquiry, 'looked'>;

function whyOf({ look }: CacheLooked, caching: Caching, context: WhyContext): string {
  const { entry, bypass, reason } = caching;
  if (bypass !== null) return `not asked, ${BYPASS_TEXTS[bypass]}`;
  if (look === 'wait') return 'another request is fetching the reply: this one waits for it';
  const leftS = entry === null ? 0 : freshLeftS(entry.head, context.now);
  if (look === 'serve') return leftS > 0 ? `fresh for ${leftS} s more` : `stale for ${-leftS} s`;
  if (entry !== null) return validateText(caching, leftS, context);
  const missed = reason === 'vary-miss' ? 'only for other requests, by Vary' : 'nothing is stored';
  return typeof look === 'object' ? missed : `${missed}; ${storedText(caching, context)}`;
}

function validateText(caching: Caching, leftS: number, { now }: WhyContext): string {
  const { entry, isValidating, reason } = caching;
  const age = leftS > 0 ? `fresh for ${leftS} s more` : `stale for ${-leftS} s`;
  const why = reason === 'request' ? `${age}, but the client wants a new one` : age;
  const asked = isValidating ? 'the target is asked whether it is still good' : 'fetched again';
  const mayServe = entry !== null && mayServeOnError(entry.head, now);
  return `${why}; ${asked}${mayServe ? '; it answers where the targets fail' : ''}`;
}

const IS_FOR_ALL = 'the reply is for all (public, s-maxage or must-revalidate)';

/** What the reply must say to be stored. */
function storedText({ mayStore }: Caching, { exchange, route }: WhyContext): string {
  if (!mayStore) return 'the reply is not stored: it is to HEAD, a part, or the client forbids it';
  const { name, cache } = route.config;
  const rules = new RouteCache(name, defined(cache, 'the cache of a route'));
  if (rules.hasCredentials(exchange)) {
    return `stored if ${IS_FOR_ALL}: a caller is known`;
  }
  if (rules.hasCookie(exchange)) {
    return `stored if ${IS_FOR_ALL} or varies by Cookie`;
  }
  return 'stored if the reply says how long it is fresh, or has a validator';
}

const BYPASS_TEXTS: Readonly<Record<BypassReason, string>> = {
  method: 'since replies to this method are not stored',
  body: 'since the request has a body',
  tunnel: 'since the request asks for a tunnel',
  override: 'since a field may make it another request for its target',
};
