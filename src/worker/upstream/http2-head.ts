/**
 * A request's head as a connection of HTTP/2 sends it.
 *
 * Thread: worker. The same fields as over HTTP/1.1, but for those that name a connection; Host is
 * `:authority`.
 */
import { METHODS_WITH_CONTENT } from '../../base/http-method.js';
import type { RequestStart } from '../../wire/http2/request-block.js';
import { WEBSOCKET } from '../../wire/websocket/handshake.js';
import type { Exchange } from '../exchange/exchange.js';
import { isJsonCall } from '../route/worker-route.js';
import { buildForwardedFields } from './forwarded-fields.js';
import { bodyBytesOf } from './forwarded-head.js';
import type { UpstreamRequest } from './upstream-transport.js';

// Hot path (bench/gateway/plain-get): once for every request to such a target.
export function startOf(request: UpstreamRequest): RequestStart {
  const { exchange, path, authority, target } = request;
  const opensTunnel = request.tunnelKey !== '';
  return {
    // RFC 8441 4: a tunnel is asked for by CONNECT, whatever its client has sent.
    method: opensTunnel ? 'CONNECT' : methodFor(exchange),
    scheme: target.tls ? 'https' : 'http',
    authority,
    path,
    protocol: opensTunnel ? WEBSOCKET : '',
  };
}

/** Names and values in turn. */
export function fieldsForHttp2(request: UpstreamRequest): readonly string[] {
  const fields = buildForwardedFields(request);
  // What goes up a tunnel has no length.
  const bytes = request.tunnelKey === '' ? bodyBytesOf(request) : -1;
  const saysLength =
    bytes > 0 || (bytes === 0 && METHODS_WITH_CONTENT.has(methodFor(request.exchange)));
  if (saysLength) fields.push('content-length', String(bytes));
  return fields;
}

/** What comes with JSON in any method goes on as a call of gRPC. */
function methodFor({ head, route }: Exchange): string {
  return route !== null && isJsonCall(route) ? 'POST' : head.method;
}
