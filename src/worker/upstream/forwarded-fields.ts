/**
 * The fields that a target gets: the client's, less those of one connection, plus what says where
 * the request came from.
 *
 * Thread: worker. RFC 9110 7.6 (Connection, Via), RFC 7239 (Forwarded). What a client claims about
 * addresses is believed only when it comes from a trusted proxy.
 */
import { isIP } from 'node:net';
import { addressOf } from '../../base/ip-address.js';
import { GATEWAY_PSEUDONYM } from '../../base/problem-reply.js';
import {
  type HttpProtocol,
  PROTOCOL_HTTP_1_0,
  PROTOCOL_HTTP_1_1,
  PROTOCOL_HTTP_2,
} from '../../channel/records/request-head.js';
import { joinList, type RequestFields } from '../exchange/request-fields.js';
import type { RequestHead } from '../exchange/request-head.js';
import type { UpstreamRequest } from './upstream-transport.js';

const NOTHING: ReadonlySet<string> = new Set();
const HOST = /^[A-Za-z0-9._~:[\]%-]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;

const VIA: Readonly<Record<HttpProtocol, string>> = {
  [PROTOCOL_HTTP_1_0]: `1.0 ${GATEWAY_PSEUDONYM}`,
  [PROTOCOL_HTTP_1_1]: `1.1 ${GATEWAY_PSEUDONYM}`,
  [PROTOCOL_HTTP_2]: `2 ${GATEWAY_PSEUDONYM}`,
};

/** This gateway's element of Via: the protocol is the one in which the request came. */
export function viaOf(protocol: HttpProtocol): string {
  return VIA[protocol];
}

/** What the fields for a target depend on. */
export type ForwardedRequest = Pick<
  UpstreamRequest,
  'exchange' | 'isPeerTrusted' | 'authority' | 'addsVia'
>;

/** Names and values in turn, as undici takes them. */
export function buildForwardedFields({
  exchange,
  isPeerTrusted,
  authority,
  addsVia,
}: ForwardedRequest): string[] {
  const { fields, peer, clientScheme, requestId } = exchange.head;
  const dropped = exchange.route?.droppedFields ?? NOTHING;
  const isPlain = dropped.size === 0 && fields.connection === '';
  const list = isPlain ? [...fields.plain] : keptFields(fields, dropped);
  const add = (name: string, value: string): void => {
    if (isPlain || !dropped.has(name)) list.push(name, value);
  };
  if (fields.authorization !== '') add('authorization', fields.authorization);
  list.push('host', authority);
  add('x-request-id', requestId);
  add('x-forwarded-for', joinList(isPeerTrusted ? fields.forwardedFor : '', peer));
  add('x-forwarded-proto', (isPeerTrusted && fields.forwardedProto) || clientScheme);
  add('x-forwarded-host', (isPeerTrusted && fields.forwardedHost) || fields.host);
  add('forwarded', forwardedList(exchange.head, isPeerTrusted));
  const via = addsVia ? joinList(fields.via, viaOf(exchange.head.protocol)) : fields.via;
  if (via !== '') add('via', via);
  if (fields.loop !== '') add('cdn-loop', fields.loop);
  if (isPeerTrusted) {
    for (let at = 0; at < fields.claimed.length; at += 2) {
      add(fields.claimed[at] ?? '', fields.claimed[at + 1] ?? '');
    }
  }
  for (const item of exchange.route?.setFields ?? []) list.push(item);
  for (const item of exchange.identity.fields) list.push(item);
  for (const item of exchange.addedFields) list.push(item);
  return list;
}

/**
 * The Forwarded field. It also covers a trusted proxy that writes X-Forwarded-* only: otherwise the
 * two would contradict each other.
 */
export function forwardedList(
  { fields, peer, scheme }: Readonly<RequestHead>,
  isPeerTrusted: boolean,
): string {
  const own = `for=${forwardedNode(peer)};host="${fields.host}";proto=${scheme}`;
  if (!isPeerTrusted) return own;
  return joinList(fields.forwarded === '' ? translated(fields) : fields.forwarded, own);
}

/** X-Forwarded-For, -Host and -Proto as elements of Forwarded; empty: there are none. */
function translated({ forwardedFor, forwardedHost, forwardedProto }: RequestFields): string {
  if (forwardedFor === '' && forwardedHost === '' && forwardedProto === '') return '';
  const [first = 'unknown', ...others] = forwardedFor
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
    .map((node) => addressOf(node))
    .map((address) => (isIP(address) === 0 ? 'unknown' : forwardedNode(address)));
  // Host and scheme are those of the client's own request.
  const host = HOST.test(forwardedHost) ? `;host="${forwardedHost}"` : '';
  const proto = SCHEME.test(forwardedProto) ? `;proto=${forwardedProto}` : '';
  return [`for=${first}${host}${proto}`, ...others.map((node) => `for=${node}`)].join(', ');
}

/** IPv6 addresses stand in brackets and quotes (RFC 7239 section 6). */
function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address;
}

function keptFields(fields: RequestFields, dropped: ReadonlySet<string>): string[] {
  const named = new Set(
    fields.connection
      .toLowerCase()
      .split(',')
      .map((token) => token.trim()),
  );
  if (named.has('authorization')) fields.dropAuthorization();
  const kept: string[] = [];
  for (let at = 0; at < fields.plain.length; at += 2) {
    const name = fields.plain[at] ?? '';
    if (!named.has(name) && !dropped.has(name)) kept.push(name, fields.plain[at + 1] ?? '');
  }
  return kept;
}
