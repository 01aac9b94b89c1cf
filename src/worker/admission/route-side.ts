/**
 * Which of several upstreams gets a request of a route.
 *
 * Thread: worker. Invariant: the same caller comes to the same side in every worker and in every
 * gateway with this configuration, so that nothing has to be agreed upon. A caller's place between
 * 0 and the sum of the weights is fixed by a hash; sides lie one behind the other in the order of
 * the configuration. So where the last of two gets more weight, it keeps all callers that it has.
 * Where a split is rolled out, the coordinator says what the last one gets, in shared memory.
 */

import { defined } from '../../base/assert.js';
import { HalfSipHash } from '../../base/half-sip-hash.js';
import { networkOf } from '../../base/ip-address.js';
import { SHARE_ALL } from '../../base/rollout-words.js';
import type { CompiledSplit } from '../../config/compiled-split.js';
import type { Exchange } from '../exchange/exchange.js';
import type { RouteSides, WorkerRoute } from '../route/worker-route.js';
import { cookieValue } from './target-preference.js';

/** It hides nothing: whoever can choose his address, or his name, may choose his side. */
const HASH_KEY = [0x736c7569, 0x63650000] as const;
const HASH_RANGE = 2 ** 32;
const hash = new HalfSipHash(...HASH_KEY);

/** Says what the new side of a rollout has, in ten-thousandths. */
export interface ShareSource {
  shareOf(rollout: number): number;
}

/** The side that gets the request, whose caller is known as far as it will be. */
export function sideOf(exchange: Exchange, sides: RouteSides, shares: ShareSource): WorkerRoute {
  const { split, routes, chosenRoutes, refusing } = sides;
  const chosen = chosenSide(exchange, split);
  if (chosen !== -1) return defined(chosenRoutes[chosen], 'a side');
  const place = placeOf(exchange, split.key);
  const side =
    split.rollout === undefined
      ? weighedSide(split, place)
      : sharedSide(place, shares.shareOf(split.rollout));
  if (side === -1) return defined(refusing ?? undefined, 'who refuses');
  return defined(routes[side], 'a side');
}

/** What the client asks for; -1: nothing, or no side of that name. */
function chosenSide({ fields }: Exchange, { sides, header, cookie }: CompiledSplit): number {
  if (header !== '') {
    const wanted = fields.value(header).trim();
    const at = wanted === '' ? -1 : sides.findIndex(({ name }) => name === wanted);
    if (at !== -1) return at;
  }
  if (cookie === '') return -1;
  const wanted = cookieValue(fields.value('cookie'), cookie);
  return wanted === '' ? -1 : sides.findIndex(({ name }) => name === wanted);
}

/** From 0 up to and without 1: the same for the same caller. */
function placeOf(exchange: Exchange, key: CompiledSplit['key']): number {
  hash.hash(keyText(exchange, key));
  return (hash.high >>> 0) / HASH_RANGE;
}

/** -1: behind all of them. */
function weighedSide({ sides, total }: CompiledSplit, place: number): number {
  let end = 0;
  return sides.findIndex(({ weight }) => {
    end += weight;
    return place * total < end;
  });
}

/** Of two sides. */
function sharedSide(place: number, share: number): number {
  return place * SHARE_ALL < SHARE_ALL - share ? 0 : 1;
}

/** Each kind begins with a letter of its own. */
function keyText(exchange: Exchange, key: CompiledSplit['key']): string {
  const value = keyValueOf(exchange, key);
  return value === '' ? `i${networkOf(exchange.clientIp)}` : `${key.kind}=${value}`;
}

/** '': there is none. */
function keyValueOf({ consumer, fields, requestId }: Exchange, key: CompiledSplit['key']): string {
  switch (key.kind) {
    case 'request':
      return requestId;
    case 'consumer':
      return consumer;
    case 'header':
      return fields.value(key.header);
    case 'cookie':
      return cookieValue(fields.value('cookie'), key.cookie);
    default:
      return '';
  }
}
