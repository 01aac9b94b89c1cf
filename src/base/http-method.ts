/**
 * HTTP methods, and what is known of them.
 *
 * Thread: any (pure). RFC 9110 section 9, RFC 5789 (PATCH), RFC 10008 (QUERY), and the registry of
 * methods, mostly of WebDAV (RFC 3253, 3744, 4437, 4791, 4918, 5323, 5842). Methods that nobody has
 * registered are forwarded where a route names them; nothing is taken for granted about these.
 */

/** The methods that a route without a list of methods takes. */
export const HTTP_METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'QUERY',
] as const;

export type HttpMethod = (typeof HTTP_METHODS)[number];

/** Longer methods are refused. */
export const METHOD_CHARS_MAX = 32;

/** In the methods of a route: every method of which {@link isInEveryMethod} says so. */
export const EVERY_METHOD = '*';

/** It asks for a tunnel to anywhere: no gateway to services of its own takes it. */
export const CONNECT_METHOD = 'CONNECT';

const SAFE_METHODS: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'REPORT', 'SEARCH'],
]);

/** Safe or not, their requests may be sent twice. */
const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  ...SAFE_METHODS,
  ...['PUT', 'DELETE', 'PROPPATCH', 'MKCOL', 'COPY', 'MOVE', 'UNLOCK', 'ACL', 'MKCALENDAR'],
  ...['BIND', 'REBIND', 'UNBIND', 'LINK', 'UNLINK', 'ORDERPATCH', 'MKREDIRECTREF'],
  ...['UPDATEREDIRECTREF', 'BASELINE-CONTROL', 'CHECKIN', 'CHECKOUT', 'UNCHECKOUT', 'LABEL'],
  ...['MERGE', 'MKACTIVITY', 'MKWORKSPACE', 'UPDATE', 'VERSION-CONTROL'],
]);

/** Registered, and neither safe nor idempotent. */
const OTHER_METHODS: readonly string[] = ['POST', 'PATCH', 'LOCK'];

const REGISTERED_METHODS: ReadonlySet<string> = new Set([...IDEMPOTENT_METHODS, ...OTHER_METHODS]);

/**
 * The methods whose requests say so when they have no body, by `Content-Length: 0` (RFC 9110 8.6).
 */
export const METHODS_WITH_CONTENT: ReadonlySet<string> = new Set<HttpMethod>([
  'POST',
  'PUT',
  'PATCH',
  'QUERY',
]);

/**
 * Whether a request may have a body. `onGet`: one with GET or HEAD may, where a body means nothing
 * by itself (RFC 9110 9.3.1 and 9.3.2); clients send empty ones. TRACE has none (9.3.8).
 */
export function mayHaveBody(method: string, onGet: boolean): boolean {
  return method === 'GET' || method === 'HEAD' ? onGet : method !== 'TRACE';
}

/** Whether nothing changes by a request with this method. */
export function isSafeMethod(method: string): boolean {
  return SAFE_METHODS.has(method);
}

/** Whether sending the request twice has the same effect as sending it once. */
export function isIdempotentMethod(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method);
}

/** Whether the method is one of a fixed list, and so may be the name of a figure. */
export function isRegisteredMethod(method: string): boolean {
  return REGISTERED_METHODS.has(method);
}

/**
 * Whether a method belongs to {@link EVERY_METHOD}. TRACE shows a client what proxies have added to
 * its request, credentials among it: a route takes it only by its name. Methods in lower case are
 * others than those that they look like, but not to every target.
 */
export function isInEveryMethod(method: string): boolean {
  return method !== 'TRACE' && method !== CONNECT_METHOD && !/[a-z]/.test(method);
}

/** Whether a route with this list takes the method. An empty list: {@link HTTP_METHODS}. */
export function takesMethod(methods: readonly string[], method: string): boolean {
  if (methods.length === 0) return (HTTP_METHODS as readonly string[]).includes(method);
  if (methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))) return true;
  return methods.includes(EVERY_METHOD) && isInEveryMethod(method);
}
