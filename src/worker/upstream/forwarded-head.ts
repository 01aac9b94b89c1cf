/**
 * A request's head as one string: what the lean connection writes.
 *
 * Thread: worker. The same fields as buildForwardedFields(), in the order in which undici writes
 * them; a test holds the two together. Nothing is escaped here: method, target and fields passed
 * the acceptor's guard, the path was normalised, and configured fields passed the schema.
 *
 * Invariant: latin-1 only, so that a character is a byte.
 */
import {
  fieldLines,
  handshakeStart,
  requestEnd,
  requestStart,
} from '../../wire/http1/request-writer.js';
import { joinList } from '../exchange/request-fields.js';
import type { RequestHead } from '../exchange/request-head.js';
import { StreamedBody } from '../exchange/streamed-body.js';
import { buildForwardedFields, forwardedList, viaOf } from './forwarded-fields.js';
import type { UpstreamRequest } from './upstream-transport.js';

// Hot path: once for every request; bench/micro/worker/upstream-transport watches it.
/** The head with the empty line that ends it. */
export function buildForwardedHead(request: UpstreamRequest): string {
  const { exchange, path, authority, isPeerTrusted, addsVia, tunnelKey } = request;
  const { head: from, route } = exchange;
  const { fields, method } = from;
  const isPlain = fields.connection === '' && (route === null || route.droppedFields.size === 0);
  let head =
    tunnelKey === ''
      ? requestStart(method, path, authority)
      : handshakeStart(path, authority, tunnelKey);
  if (isPlain) {
    head += fieldLines(fields.plain, fields.plainCount) + originLines(from, isPeerTrusted, addsVia);
    if (route !== null && route.setFields.length > 0) {
      head += fieldLines(route.setFields, route.setFields.length);
    }
    const { addedFields } = exchange;
    if (addedFields.length > 0) head += fieldLines(addedFields, addedFields.length);
  } else {
    const list = buildForwardedFields(request);
    for (let at = 0; at < list.length; at += 2) {
      if (list[at] !== 'host') head += `${list[at]}: ${list[at + 1]}\r\n`;
    }
  }
  return head + requestEnd(method, tunnelKey === '' ? bodyBytesOf(request) : 0);
}

/** 0: none; -1: not known. */
export function bodyBytesOf({ body }: UpstreamRequest): number {
  if (body === null) return 0;
  return body instanceof StreamedBody ? body.bytes : body.length;
}

/** Whose request it is and where it came from. */
function originLines(
  from: Readonly<RequestHead>,
  isPeerTrusted: boolean,
  addsVia: boolean,
): string {
  const { fields, peer, clientScheme, requestId } = from;
  const { host, authorization } = fields;
  let addresses = peer;
  let firstScheme = clientScheme;
  let firstHost = host;
  let claimed = '';
  if (isPeerTrusted) {
    addresses = joinList(fields.forwardedFor, peer);
    firstScheme = fields.forwardedProto || clientScheme;
    firstHost = fields.forwardedHost || host;
    claimed = fieldLines(fields.claimed, fields.claimed.length);
  }
  const lines =
    `x-request-id: ${requestId}\r\nx-forwarded-for: ${addresses}\r\n` +
    `x-forwarded-proto: ${firstScheme}\r\nx-forwarded-host: ${firstHost}\r\n` +
    `forwarded: ${forwardedList(from, isPeerTrusted)}\r\n` +
    `${viaLine(from, addsVia)}${loopLine(from)}${claimed}`;
  return authorization === '' ? lines : `authorization: ${authorization}\r\n${lines}`;
}

/** What others wrote there goes on, whether or not the gateway adds itself. */
function viaLine({ fields, protocol }: Readonly<RequestHead>, addsVia: boolean): string {
  const { via } = fields;
  if (!addsVia) return via === '' ? '' : `via: ${via}\r\n`;
  return `via: ${joinList(via, viaOf(protocol))}\r\n`;
}

function loopLine({ fields: { loop } }: Readonly<RequestHead>): string {
  return loop === '' ? '' : `cdn-loop: ${loop}\r\n`;
}
