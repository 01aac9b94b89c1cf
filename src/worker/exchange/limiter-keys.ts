/**
 * What the limits of a route count a request by, as text.
 *
 * Thread: worker. Client addresses count by network: see networkOf. Parts are separated by a
 * character that none of them can contain, and each begins with a letter for its kind: no two keys
 * that differ have the same text. Anonymous callers count by address where others count by name:
 * one of them must not use up what all the others have.
 */
import { networkOf } from '../../base/ip-address.js';
import type { CompiledLimiter, LimiterKey } from '../../config/compiled-config.js';
import type { Exchange } from './exchange.js';

const SEPARATOR = '\n';
/** As little a part of a field as the other. */
const LINE_SEPARATOR = '\r';

/** The key by which one limiter counts the request. Hot path (bench/gateway/full-pipeline). */
export function limiterKey(exchange: Exchange, { keys }: CompiledLimiter): string {
  const [first, second] = keys;
  // Nearly all have one part.
  if (first !== undefined && second === undefined) return partOf(exchange, first);
  return keys.map((key) => partOf(exchange, key)).join(SEPARATOR);
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
      return exchange.isAnonymous ? addressPart(exchange) : `c${exchange.consumer}`;
    case 'header':
      return `h${exchange.fields.value(key.header)}`;
    case 'clientIp':
      return addressPart(exchange);
    default:
      return 'r';
  }
}

function addressPart({ clientIp }: Exchange): string {
  return `i${networkOf(clientIp)}`;
}
