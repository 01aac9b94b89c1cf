/**
 * Whether what a target says is stored, and as what.
 *
 * Thread: worker. Owns nothing: why something is not stored is noted at its exchange.
 */
import type { NotStored } from '../../base/cache-reasons.js';
import { type Clock, momentOf } from '../../base/clock.js';
import type { EntryHead } from '../../channel/cache/cache-entry.js';
import type { CacheStore } from '../../channel/cache/cache-store.js';
import { groupsOf } from '../../policy/caching/cache-groups.js';
import {
  judgeReply,
  listOf,
  type Storable,
  type StoringReply,
} from '../../policy/caching/storing.js';
import type { Caching } from '../exchange/caching.js';
import type { Exchange } from '../exchange/exchange.js';
import { askedBy, groupPlaceOf, placeOf, type RouteCache, variedRequest } from './route-cache.js';

export interface ReplyJudgeParts {
  readonly store: Pick<CacheStore, 'hashOf' | 'serials' | 'entryBytesMax'>;
  readonly clock: Pick<Clock, 'nowMs' | 'unixMs'>;
}

export class ReplyJudge {
  constructor(
    private readonly parts: ReplyJudgeParts,
    private readonly routeOf: (exchange: Exchange) => RouteCache,
  ) {}

  /** The reply of the target is not stored. */
  refuse(caching: Caching, reason: NotStored): null {
    if (caching.bypass === null) caching.notStored = reason;
    return null;
  }

  judge(
    exchange: Exchange,
    caching: Caching,
    reply: Pick<StoringReply, 'status' | 'fields' | 'date' | 'bodyBytes'>,
  ): Storable | null {
    const route = this.routeOf(exchange);
    const varies = listOf(reply.fields, 'vary').toLowerCase().includes('cookie');
    const hasCredentials = route.hasCredentials(exchange) || (!varies && route.hasCookie(exchange));
    const isStream = listOf(reply.fields, 'content-type').startsWith('text/event-stream');
    if (isStream) return this.refuse(caching, 'event-stream');
    if (reply.bodyBytes > this.parts.store.entryBytesMax) return this.refuse(caching, 'too-large');
    const request = {
      method: 'GET',
      hasCredentials,
      directives: askedBy(exchange),
      value: variedRequest(exchange).value,
    };
    const { nowMs: responseMs, unixMs: responseUnixMs } = momentOf(this.parts.clock);
    const times = { requestMs: caching.askedMs, responseMs, responseUnixMs };
    const judged = judgeReply(request, { ...reply, ...times }, caching.rules);
    return typeof judged === 'string' ? this.refuse(caching, judged) : judged;
  }

  /** What is stored of a reply that may be. */
  entryOf(
    exchange: Exchange,
    { key, placeSerial }: Caching,
    judged: Storable,
    { status, date }: Pick<EntryHead, 'status' | 'date'>,
  ): EntryHead {
    const { store } = this.parts;
    const serials = [store.hashOf(placeOf(exchange)), placeSerial];
    for (const group of groupsOf(listOf(judged.fields, 'cache-groups'))) {
      const hash = store.hashOf(groupPlaceOf(exchange, group));
      serials.push(hash, store.serials.of(hash));
    }
    return { ...judged, key, status, date, serials };
  }
}
