/**
 * Makes void what a write may have changed.
 *
 * Thread: worker. RFC 9111 section 4.4, RFC 9875 section 3.
 */
import type { FieldBlock } from '../../base/field-block.js';
import type { CacheStore } from '../../channel/cache/cache-store.js';
import { groupsOf } from '../../policy/caching/cache-groups.js';
import { sameOriginTarget } from '../../policy/caching/invalidation.js';
import { listOf } from '../../policy/caching/storing.js';
import type { Exchange } from '../exchange/exchange.js';
import { groupPlaceOf, placeOf } from './route-cache.js';

/** `fields` are those of the reply to the write. */
export function voidWritten(
  store: Pick<CacheStore, 'hashOf' | 'serials'>,
  exchange: Exchange,
  fields: FieldBlock,
): void {
  const { head } = exchange;
  const { serials } = store;
  serials.move(store.hashOf(placeOf(exchange)));
  const url = `${head.clientScheme}://${head.fields.host}${head.sentPath}`;
  for (const name of ['location', 'content-location']) {
    const path = URL.canParse(url) ? sameOriginTarget(listOf(fields, name), url) : null;
    if (path !== null) serials.move(store.hashOf(placeOf(exchange, path.split('?', 1)[0])));
  }
  for (const group of groupsOf(listOf(fields, 'cache-group-invalidation'))) {
    serials.move(store.hashOf(groupPlaceOf(exchange, group)));
  }
}
