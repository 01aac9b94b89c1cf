/**
 * Finds the scheme in which the client asked, when the client comes through trusted proxies.
 *
 * Thread: worker. Forwarded (RFC 7239 section 5.4) tells it where that tells the client's address,
 * by the same element: those further left are the client's own claims. A proxy that writes
 * Forwarded lets the client write X-Forwarded-Proto, which then tells nothing and goes no further.
 * In all other cases X-Forwarded-Proto tells it.
 */
import type { RequestFields } from '../exchange/request-fields.js';
import type { RequestHead } from '../exchange/request-head.js';
import { forwardedValues } from './client-address.js';
import type { TrustedProxies } from './trusted-proxies.js';

const SCHEMES: ReadonlySet<string> = new Set(['http', 'https']);

export class ClientScheme {
  /** `field` tells the client's address: its name in lower case; '': the default. */
  constructor(
    private readonly proxies: TrustedProxies,
    private readonly field: string,
  ) {}

  /** Of a request whose fields tell some scheme. */
  of({ peer, scheme, fields }: Readonly<RequestHead>): string {
    if (!this.proxies.includes(peer)) return scheme;
    const isInForwarded = this.goesByForwarded(fields);
    if (isInForwarded) fields.dropForwardedProto();
    const told = isInForwarded ? this.ofForwarded(peer, fields.forwarded) : fields.forwardedProto;
    const lower = told.toLowerCase();
    return SCHEMES.has(lower) ? lower : scheme;
  }

  private goesByForwarded({ forwarded, forwardedFor }: RequestFields): boolean {
    if (this.field !== '') return this.field === 'forwarded';
    return forwarded !== '' && forwardedFor === '';
  }

  private ofForwarded(peer: string, forwarded: string): string {
    const place = this.proxies.clientPlace(peer, forwardedValues(forwarded, 'for'));
    return forwardedValues(forwarded, 'proto')[place] ?? '';
  }
}
