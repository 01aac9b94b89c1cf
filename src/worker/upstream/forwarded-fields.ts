/**
 * The fields that a target gets: the client's, less those of one connection, plus what says where
 * the request came from.
 *
 * Thread: worker. RFC 9110 7.6 (Connection, Via), RFC 7239 (Forwarded). What a client claims about
 * addresses is believed only when it comes from a trusted proxy.
 */
import { GATEWAY_PSEUDONYM } from '../../base/problem-reply.js';
import type { Exchange } from '../exchange.js';
import { joinList, type RequestFields } from './request-fields.js';

const NOTHING: ReadonlySet<string> = new Set();

/** Names and values in turn, as undici takes them. */
export function buildForwardedFields(
  exchange: Exchange,
  isPeerTrusted: boolean,
  authority: string,
): string[] {
  const { fields, peer, scheme, requestId } = exchange;
  const dropped = exchange.route?.droppedFields ?? NOTHING;
  const isPlain = dropped.size === 0 && fields.connection === '';
  const list = isPlain ? fields.plain : keptFields(fields, dropped);
  // A second try builds on the same list: what the first one added goes.
  if (isPlain) list.length = fields.plainCount;
  const add = (name: string, value: string): void => {
    if (isPlain || !dropped.has(name)) list.push(name, value);
  };
  const element = `for=${forwardedNode(peer)};host="${fields.host}";proto=${scheme}`;
  if (fields.authorization !== '') add('authorization', fields.authorization);
  list.push('host', authority);
  add('x-request-id', requestId);
  add('x-forwarded-for', joinList(isPeerTrusted ? fields.forwardedFor : '', peer));
  add('x-forwarded-proto', (isPeerTrusted && fields.forwardedProto) || scheme);
  add('x-forwarded-host', (isPeerTrusted && fields.forwardedHost) || fields.host);
  add('forwarded', joinList(isPeerTrusted ? fields.forwarded : '', element));
  add('via', joinList(fields.via, `1.1 ${GATEWAY_PSEUDONYM}`));
  for (const item of exchange.route?.setFields ?? []) list.push(item);
  return list;
}

/** IPv6 addresses stand in brackets and quotes (RFC 7239 section 6). */
export function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address;
}

function keptFields(fields: RequestFields, dropped: ReadonlySet<string>): string[] {
  const named = new Set(
    fields.connection
      .toLowerCase()
      .split(',')
      .map((token) => token.trim()),
  );
  if (named.has('authorization')) fields.authorization = '';
  const kept: string[] = [];
  for (let at = 0; at < fields.plain.length; at += 2) {
    const name = fields.plain[at] ?? '';
    if (!named.has(name) && !dropped.has(name)) kept.push(name, fields.plain[at + 1] ?? '');
  }
  return kept;
}
