/**
 * The text by which a stored reply is found: whose rules hold, the URL, and what else counts.
 *
 * Thread: any (pure). One line each. No part has a line break: names and URLs cannot, and fields
 * were checked when they came.
 */

/** `scope`: the name of a route, a blank, and its rules. */
export function cacheKey(scope: string, url: string, others: readonly string[]): string {
  return [scope, url, ...others].join('\n');
}

/** Name of the route whose reply it is. */
export function routeOfKey(key: string): string {
  return key.slice(0, key.indexOf(' '));
}

/** The URL, with the part of its query that counts. */
export function urlOfKey(key: string): string {
  return key.split('\n', 2)[1] ?? '';
}
