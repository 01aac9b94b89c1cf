/**
 * What the limits of a route count a request by, as text.
 *
 * Thread: worker. Client addresses count by network: see networkOf. Parts are separated by a
 * character that none of them can contain, and each begins with a letter for its kind: no two keys
 * that differ have the same text.
 */
import { networkOf } from '../base/ip-address.js';
import type { LimiterKey } from '../config/compiled-config.js';
import type { Exchange } from './exchange.js';
import type { WorkerRoute } from './worker-route.js';

const NO_KEYS: readonly string[] = [];
const SEPARATOR = '\n';
/** As little a part of a field as the other. */
const LINE_SEPARATOR = '\r';

/** One text for each limiter of the route, in their order. */
export function limiterKeys(exchange: Exchange, route: WorkerRoute): readonly string[] {
  if (route.limiters.length === 0) return NO_KEYS;
  return route.limiters.map(({ keys }) => keys.map((key) => partOf(exchange, key)).join(SEPARATOR));
}

/** A key as one line of text; {@link keyFromLine} gives it back. */
export function keyOnOneLine(key: string): string {
  return key.replaceAll(SEPARATOR, LINE_SEPARATOR);
}

export function keyFromLine(line: string): string {
  return line.replaceAll(LINE_SEPARATOR, SEPARATOR);
}

function partOf(exchange: Exchange, key: LimiterKey): string {
  switch (key.kind) {
    case 'consumer':
      return `c${exchange.consumer}`;
    case 'header':
      return `h${exchange.fields.value(key.header)}`;
    case 'clientIp':
      return `i${networkOf(exchange.clientIp)}`;
    default:
      return 'r';
  }
}
