/**
 * Finds the client's address when the client comes through trusted proxies.
 *
 * Thread: worker. Which field tells it says the configuration; no other one is looked at, since a
 * proxy that does not write a field lets the client write it. By default X-Forwarded-For tells it,
 * and Forwarded (RFC 7239) where a request has no X-Forwarded-For.
 */
import { isIP } from 'node:net';
import { addressOf } from '../../base/ip-address.js';
import type { RequestFields } from '../exchange/request-fields.js';
import type { TrustedProxies } from './trusted-proxies.js';

const NOBODY: readonly string[] = [];

export class ClientAddress {
  /** `field`: its name in lower case; '': the default. */
  constructor(
    private readonly proxies: TrustedProxies,
    private readonly field: string,
  ) {}

  // Hot path (bench/gateway/plain-get): once for every request.
  of(peer: string, fields: RequestFields): string {
    if (!this.proxies.includes(peer)) return peer;
    switch (this.field) {
      case '':
        return this.proxies.clientOf(
          peer,
          fields.forwardedFor === '' ? forwardedNodes(fields.forwarded) : nodesOf(fields),
        );
      case 'x-forwarded-for':
        return this.proxies.clientOf(peer, nodesOf(fields));
      case 'forwarded':
        return this.proxies.clientOf(peer, forwardedNodes(fields.forwarded));
      default:
        return this.only(peer, fields.values(this.field));
    }
  }

  /** A field of one address. Of two values one may be the client's own. */
  private only(peer: string, [value = '', another]: readonly string[]): string {
    const address = addressOf(value.trim());
    return another === undefined && isIP(address) !== 0 ? address : peer;
  }
}

function nodesOf({ forwardedFor }: RequestFields): readonly string[] {
  return forwardedFor === '' ? NOBODY : forwardedFor.split(',').map((node) => node.trim());
}

const PAIR = /[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]*)[ \t]*(;|,|$)/y;

/** The `for` of each element of Forwarded, see {@link forwardedValues}. */
export function forwardedNodes(forwarded: string): readonly string[] {
  return forwardedValues(forwarded, 'for');
}

/**
 * What each element says under a name in lower case, from the client on; '' where it says nothing.
 * A field that cannot be read whole tells nothing.
 */
export function forwardedValues(forwarded: string, wanted: string): readonly string[] {
  if (forwarded === '') return NOBODY;
  const values: string[] = [];
  let found = '';
  PAIR.lastIndex = 0;
  for (let at = 0; at < forwarded.length; at = PAIR.lastIndex) {
    PAIR.lastIndex = at;
    const pair = PAIR.exec(forwarded);
    if (pair === null) return NOBODY;
    const [, name = '', value = '', end = ''] = pair;
    if (name.toLowerCase() === wanted) found = unquoted(value);
    if (end === ';') continue;
    values.push(found);
    found = '';
  }
  return values;
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}
