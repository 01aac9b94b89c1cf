/**
 * What a route with a cache stores, and by which key.
 *
 * Thread: worker. Made with its route, once for each version of the configuration.
 */
import { createHash } from 'node:crypto';
import type { CompiledRouteCache } from '../../config/compiled-replies.js';
import { CacheDirectives, parseCacheControl } from '../../policy/caching/cache-directives.js';
import { cacheKey } from '../../policy/caching/cache-key.js';
import type { VariedRequest } from '../../policy/caching/variant.js';
import type { Exchange } from '../exchange/exchange.js';
import { isKeptQuery, keptQuery } from './kept-query.js';

const NOTHING_SAID: Readonly<CacheDirectives> = new CacheDirectives();

/** RFC 10008: a safe method with a body. */
export const QUERY = 'QUERY';

/** Claims of trusted proxies that targets make links of. */
const CLAIMS_IN_KEY = ['x-forwarded-port', 'x-forwarded-prefix'];

export class RouteCache {
  /** Rules that differ have entries that differ. */
  private readonly scope: string;

  constructor(
    route: string,
    readonly rules: CompiledRouteCache,
  ) {
    const { query, headers, consumer } = rules.key;
    const digest = [isKeptQuery(query) ? query : query.join('&'), headers.join(), consumer];
    this.scope = `${route} ${digest.join(' ')}`;
  }

  /** What is asked for, by everything that may change what the target says. Latin-1. */
  keyOf(exchange: Exchange): string {
    const { head, rewrittenTarget } = exchange;
    const { query, headers, consumer } = this.rules.key;
    const url = urlOf(exchange, keptQuery(head.query, query));
    const parts = [rewrittenTarget];
    for (const name of headers) parts.push(listIn(exchange, name));
    if (consumer) parts.push(encodeURIComponent(exchange.consumer));
    const { claimed } = head.fields;
    for (let at = 0; head.isPeerTrusted && at + 1 < claimed.length; at += 2) {
      const name = claimed[at] ?? '';
      if (CLAIMS_IN_KEY.includes(name)) parts.push(`${name}:${claimed[at + 1]}`);
    }
    if (head.method === QUERY) parts.push(bodyKeyOf(exchange));
    return cacheKey(this.scope, url, parts);
  }

  /** Whether the request says who asks, in a way that is no part of the key. */
  hasCredentials({ head, consumer }: Exchange): boolean {
    const { key } = this.rules;
    if (key.consumer && consumer !== '') return false;
    return consumer !== '' || head.fields.authorizationCount > 0;
  }

  /** The same of cookies, by which many targets know who asks. */
  hasCookie(exchange: Exchange): boolean {
    return !this.rules.key.headers.includes('cookie') && listIn(exchange, 'cookie') !== '';
  }
}

/** The body of a QUERY, and what says how it is to be read. */
function bodyKeyOf(exchange: Exchange): string {
  const digest = createHash('sha256').update(exchange.upload.collected()).digest('base64');
  const [type, coding] = [listIn(exchange, 'content-type'), listIn(exchange, 'content-encoding')];
  return `${QUERY} ${digest} ${coding} ${type}`;
}

/** Scheme and host as the target is told them, and the path as it gets it. */
function urlOf({ head }: Exchange, query: string): string {
  const { fields, isPeerTrusted, clientScheme, sentPath } = head;
  const scheme = (isPeerTrusted && fields.forwardedProto) || clientScheme;
  const host = (isPeerTrusted && fields.forwardedHost) || fields.host;
  return `${scheme}://${host.toLowerCase()}${sentPath}${query}`;
}

/** What a write to it makes invalid: every query of the path, in either scheme. */
export function placeOf({ head }: Exchange, path = head.sentPath): string {
  const { fields, isPeerTrusted } = head;
  const host = (isPeerTrusted && fields.forwardedHost) || fields.host;
  return `${host.toLowerCase()}${path}`;
}

/** A group of replies is one of its host. */
export function groupPlaceOf({ head }: Exchange, group: string): string {
  return `${head.fields.host.toLowerCase()} ${group}`;
}

/** All values of a field as one list, or ''. */
export function listIn({ head }: Exchange, lowerName: string): string {
  return head.fields.values(lowerName).join(', ');
}

/** The fields of a request as rules about variants look at them. */
export function variedRequest(exchange: Exchange): VariedRequest {
  return {
    value: (name) => (name === 'host' ? exchange.head.fields.host : listIn(exchange, name)),
  };
}

/** What the client says in Cache-Control, or in Pragma where there is none. */
export function askedBy(exchange: Exchange): CacheDirectives {
  const text = listIn(exchange, 'cache-control') || listIn(exchange, 'pragma');
  return text === '' ? NOTHING_SAID : parseCacheControl(text);
}
