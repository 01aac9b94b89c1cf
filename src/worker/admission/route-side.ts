/**
 * Which of several upstreams gets a request of a route.
 *
 * Thread: worker. Invariant: the same caller comes to the same side in every worker and in every
 * gateway with this configuration, so that nothing has to be agreed upon. A caller's place between
 * 0 and the sum of the weights is fixed by a hash; sides lie one behind the other in the order of
 * the configuration. So where the last of two gets more weight, it keeps all callers that it has.
 */

import { defined } from '../../base/assert.js';
import { HalfSipHash } from '../../base/half-sip-hash.js';
import { networkOf } from '../../base/ip-address.js';
import type { CompiledSplit } from '../../config/compiled-split.js';
import type { Exchange } from '../exchange/exchange.js';
import type { RouteSides, WorkerRoute } from '../route/worker-route.js';
import { cookieValue } from './target-preference.js';

/** It hides nothing: whoever can choose his address, or his name, may choose his side. */
const HASH_KEY = [0x736c7569, 0x63650000] as const;
const HASH_RANGE = 2 ** 32;
const hash = new HalfSipHash(...HASH_KEY);

/** The side that gets the request, whose caller is known as far as it will be. */
export function sideOf(exchange: Exchange, { split, routes }: RouteSides): WorkerRoute {
  const chosen = chosenSide(exchange, split);
  return defined(routes[chosen === -1 ? placedSide(exchange, split) : chosen], 'a side');
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

function placedSide(exchange: Exchange, { sides, total, key }: CompiledSplit): number {
  hash.hash(keyText(exchange, key));
  const place = ((hash.high >>> 0) / HASH_RANGE) * total;
  let end = 0;
  return sides.findIndex(({ weight }) => {
    end += weight;
    return place < end;
  });
}

/** Each kind begins with a letter of its own. */
function keyText(exchange: Exchange, key: CompiledSplit['key']): string {
  const value = keyValueOf(exchange, key);
  return value === '' ? `i${networkOf(exchange.clientIp)}` : `${key.kind}=${value}`;
}

/** '': there is none. */
function keyValueOf({ consumer, fields }: Exchange, key: CompiledSplit['key']): string {
  switch (key.kind) {
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
