/**
 * Gives clients the name that they know, in replies of a target that writes another one.
 *
 * Thread: worker. A target that gets its own name in Host writes that name into what it sends:
 * `Location`, `Content-Location` (RFC 9110 10.2.2, 8.7) and the `Domain` of cookies (RFC 6265
 * 5.2.3). One that gets the client's may still write its own name, or its own port behind the
 * client's name, into a redirect. A client could follow none of them. Whatever names another
 * server stays as it is.
 */
import {
  entriesOf,
  type FieldBlock,
  field,
  joinFields,
  NO_FIELDS,
} from '../../base/field-block.js';
import type { UpstreamRequest } from './upstream-transport.js';

/** Most replies have none of these: they are not taken apart. */
const NAMING_FIELDS = /\r\n(?:(?:content-)?location|set-cookie): /i;
const ABSOLUTE_URL = /^(?:(https?):)?\/\/([^/?#\\@\s]+)((?:[/?#].*)?)$/i;
const COOKIE_DOMAIN = /(;\s*domain\s*=\s*)\.?([^;\s]+)/gi;

// Hot path (bench/gateway/plain-get): once for every reply.
/** Whether a reply with this status is looked at. */
export function mayNameTarget(status: number, { hidesHost }: UpstreamRequest): boolean {
  return hidesHost || status === 201 || (status >= 300 && status < 400);
}

/** The fields of the reply to this request. */
export function withClientNames(fields: FieldBlock, request: UpstreamRequest): FieldBlock {
  if (!NAMING_FIELDS.test(fields)) return fields;
  let edited = NO_FIELDS;
  for (const [name, value] of entriesOf(fields)) {
    edited = joinFields(edited, field(name, valueForClient(name.toLowerCase(), value, request)));
  }
  return edited;
}

function valueForClient(name: string, value: string, request: UpstreamRequest): string {
  switch (name) {
    case 'location':
    case 'content-location':
      return urlForClient(value, request);
    case 'set-cookie':
      return request.hidesHost ? cookieForClient(value, request) : value;
    default:
      return value;
  }
}

function urlForClient(url: string, request: UpstreamRequest): string {
  const [, scheme = '', authority = '', rest = ''] = ABSOLUTE_URL.exec(url) ?? [];
  if (authority === '' || !namesTarget(scheme.toLowerCase(), authority, request)) return url;
  const host = clientHost(request);
  if (host === '') return rest.startsWith('/') ? rest : `/${rest}`;
  return `${scheme === '' ? '' : `${request.exchange.head.clientScheme}:`}//${host}${rest}`;
}

function namesTarget(scheme: string, authority: string, request: UpstreamRequest): boolean {
  const { target, hidesHost } = request;
  const [name, port] = nameAndPort(authority);
  const [ownName, ownPort] = nameAndPort(target.authority);
  const isOwnPort = portOf(port, scheme, target.tls) === portOf(ownPort, '', target.tls);
  // What stands behind a server that takes TLS off may not know the scheme it is reached by.
  if (name === ownName) return isOwnPort || (port === '' && ownPort === '');
  // A redirect to HTTPS has another port and is meant.
  return !hidesHost && isOwnPort && name === nameAndPort(request.authority)[0];
}

function portOf(port: string, scheme: string, isTls: boolean): string {
  if (port !== '') return port;
  return scheme === 'https' || (scheme === '' && isTls) ? '443' : '80';
}

function nameAndPort(authority: string): readonly [name: string, port: string] {
  const lower = authority.toLowerCase();
  const colon = lower.indexOf(':', lower.lastIndexOf(']') + 1);
  return colon === -1 ? [lower, ''] : [lower.slice(0, colon), lower.slice(colon + 1)];
}

function cookieForClient(cookie: string, request: UpstreamRequest): string {
  const [ownName] = nameAndPort(request.target.authority);
  const [name] = nameAndPort(clientHost(request));
  return cookie.replace(COOKIE_DOMAIN, (text, start: string, domain: string) => {
    if (domain.toLowerCase() !== ownName) return text;
    // Without the attribute the cookie belongs to the host that the client has asked.
    return name === '' ? '' : start + name;
  });
}

/** What the client calls the gateway, also behind a proxy that is trusted. */
function clientHost({ exchange, isPeerTrusted }: UpstreamRequest): string {
  const { fields } = exchange.head;
  const [first = ''] = isPeerTrusted ? fields.forwardedHost.split(',', 1) : [];
  return first.trim() || fields.host;
}
