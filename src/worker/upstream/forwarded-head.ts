/**
 * A request's head as one string: what the lean connection writes.
 *
 * Thread: worker. The same fields as buildForwardedFields(), in the order in which undici writes
 * them; a test holds the two together. Nothing is escaped here: method, target and fields passed
 * the acceptor's guard, the path was normalised, and configured fields passed the schema.
 *
 * Invariant: latin-1 only, so that a character is a byte.
 */
import { flat } from '../../base/flat-text.js';
import {
  BEHIND_HOST,
  fieldLines,
  handshakeStart,
  LINE_END,
  requestEnd,
  requestLine,
  requestStart,
} from '../../wire/http1/request-writer.js';
import type { Exchange } from '../exchange/exchange.js';
import type { ForwardedText, KnownHead } from '../exchange/known-heads.js';
import { joinList } from '../exchange/request-fields.js';
import type { RequestHead } from '../exchange/request-head.js';
import { StreamedBody } from '../exchange/streamed-body.js';
import { buildForwardedFields, forwardedList, viaOf } from './forwarded-fields.js';
import type { UpstreamRequest } from './upstream-transport.js';

// Hot path: once for every request; bench/micro/worker/upstream-transport watches it.
/** The head with the empty line that ends it. */
export function buildForwardedHead(request: UpstreamRequest): string {
  const { exchange, path, authority, tunnelKey } = request;
  const { head, route, known } = exchange;
  const isPlain =
    head.fields.connection === '' && (route === null || route.droppedFields.size === 0);
  if (tunnelKey !== '') {
    const lines = isPlain ? plainLines(request) : listedLines(request);
    return handshakeStart(path, authority, tunnelKey) + lines + requestEnd('GET', 0);
  }
  if (!isPlain) {
    const end = requestEnd(head.method, bodyBytesOf(request));
    return requestStart(head.method, path, authority) + listedLines(request) + end;
  }
  if (known !== null && exchange.addedFields.length === 0) return knownHead(request, known);
  const end = requestEnd(head.method, bodyBytesOf(request));
  return requestStart(head.method, path, authority) + plainLines(request) + end;
}

/** A head that came before went to a target before: only the target and the id are others. */
function knownHead(request: UpstreamRequest, known: KnownHead): string {
  const { exchange, authority } = request;
  let { forwarded } = known;
  if (forwarded === null || !isMadeOf(forwarded, request)) {
    forwarded = forwardedText(request);
    known.forwarded = forwarded;
  }
  const { start, middle, end } = forwarded;
  return start + authority + middle + exchange.head.requestId + end;
}

function isMadeOf(text: ForwardedText, request: UpstreamRequest): boolean {
  const { route, head } = request.exchange;
  const { plain, authorization } = head.fields;
  return (
    text.route === route &&
    text.plain === plain &&
    text.path === request.path &&
    text.authorization === authorization &&
    text.bodyBytes === bodyBytesOf(request)
  );
}

function forwardedText(request: UpstreamRequest): ForwardedText {
  const { exchange, path } = request;
  const { head, route } = exchange;
  const { plain, authorization } = head.fields;
  const bodyBytes = bodyBytesOf(request);
  return {
    start: flat(requestLine(head.method, path)),
    middle: flat(BEHIND_HOST + linesBeforeId(exchange)),
    end: flat(linesBehindId(request) + requestEnd(head.method, bodyBytes)),
    ...{ route, path: flat(path), plain, authorization, bodyBytes },
  };
}

function listedLines(request: UpstreamRequest): string {
  const list = buildForwardedFields(request);
  let lines = '';
  for (let at = 0; at < list.length; at += 2) {
    if (list[at] !== 'host') lines += `${list[at]}: ${list[at + 1]}\r\n`;
  }
  return lines;
}

/** The same lines where no field is left out. */
function plainLines(request: UpstreamRequest): string {
  const { exchange } = request;
  return linesBeforeId(exchange) + exchange.head.requestId + linesBehindId(request);
}

/** The client's fields, as far as the value of X-Request-Id. */
function linesBeforeId({ head }: Exchange): string {
  const { plain, authorization } = head.fields;
  const lines = fieldLines(plain, plain.length);
  return authorization === ''
    ? `${lines}x-request-id: `
    : `${lines}authorization: ${authorization}\r\nx-request-id: `;
}

/** Where the request came from, and what the gateway adds. */
function linesBehindId({ exchange, isPeerTrusted, addsVia }: UpstreamRequest): string {
  const { head, route, addedFields } = exchange;
  let lines = LINE_END + originLines(head, isPeerTrusted, addsVia);
  if (route !== null && route.setFields.length > 0) {
    lines += fieldLines(route.setFields, route.setFields.length);
  }
  if (addedFields.length > 0) lines += fieldLines(addedFields, addedFields.length);
  return lines;
}

/** 0: none; -1: not known. */
export function bodyBytesOf({ body }: UpstreamRequest): number {
  if (body === null) return 0;
  return body instanceof StreamedBody ? body.bytes : body.length;
}

/** Where the request came from, behind its id. */
function originLines(
  from: Readonly<RequestHead>,
  isPeerTrusted: boolean,
  addsVia: boolean,
): string {
  const { fields, peer, clientScheme } = from;
  const { host } = fields;
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
  return (
    `x-forwarded-for: ${addresses}\r\n` +
    `x-forwarded-proto: ${firstScheme}\r\nx-forwarded-host: ${firstHost}\r\n` +
    `forwarded: ${forwardedList(from, isPeerTrusted)}\r\n` +
    `${viaLine(from, addsVia)}${loopLine(from)}${claimed}`
  );
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
