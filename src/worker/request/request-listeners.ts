/**
 * What a worker knows of the listeners that requests come to: names, and whose word about the
 * client is believed there.
 *
 * Thread: worker. Made for each configuration; listeners that trust the same proxies share what is
 * made of them.
 */
import type { GatewaySettings } from '../../config/compiled-config.js';
import type { RequestFields } from '../exchange/request-fields.js';
import type { RequestHead } from '../exchange/request-head.js';
import { ClientAddress } from './client-address.js';
import { ClientScheme } from './client-scheme.js';
import { TrustedProxies } from './trusted-proxies.js';

export type ListenerConfig = Pick<
  GatewaySettings,
  'listeners' | 'trustedProxies' | 'clientAddressField'
>;

/** Whom the proxies of a listener are taken for, and what they tell. */
class ProxyView {
  readonly trustedProxies: TrustedProxies;
  private readonly address: ClientAddress;
  private readonly scheme: ClientScheme;

  constructor(ranges: readonly string[], field: string) {
    this.trustedProxies = new TrustedProxies(ranges);
    this.address = new ClientAddress(this.trustedProxies, field);
    this.scheme = new ClientScheme(this.trustedProxies, field);
  }

  clientAddress(peer: string, fields: RequestFields): string {
    return this.address.of(peer, fields);
  }

  clientScheme(head: RequestHead): string {
    return this.scheme.of(head);
  }
}

/** One listener. */
export interface RequestListener {
  /** Empty: it has gone since the request came in. */
  readonly name: string;
  readonly proxies: ProxyView;
}

export class RequestListeners {
  private readonly byRow: readonly (RequestListener | undefined)[];
  /** A listener that this configuration does not have any more. */
  private readonly gone: RequestListener;

  constructor({ listeners, trustedProxies, clientAddressField }: ListenerConfig) {
    const views = new Map<string, ProxyView>();
    const viewOf = (ranges: readonly string[]): ProxyView => {
      const key = ranges.join();
      const view = views.get(key) ?? new ProxyView(ranges, clientAddressField);
      views.set(key, view);
      return view;
    };
    this.gone = { name: '', proxies: viewOf(trustedProxies) };
    const byRow: RequestListener[] = [];
    for (const one of listeners) {
      byRow[one.index] = { name: one.name, proxies: viewOf(one.trustedProxies) };
    }
    this.byRow = Array.from(byRow);
  }

  // Hot path (bench/gateway/plain-get): once for every request.
  at(row: number): RequestListener {
    return this.byRow[row] ?? this.gone;
  }
}
