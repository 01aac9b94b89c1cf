/**
 * Which stored replies a request makes invalid.
 *
 * Thread: any (pure). RFC 9111 section 4.4.
 */
import { isSafeMethod } from '../../base/http-method.js';

/** Whether the reply to a request says that what is stored under its URL may have changed. */
export function invalidates(method: string, status: number): boolean {
  return !isSafeMethod(method) && status >= 200 && status < 400;
}

/** Scheme, host, path and query of a reply's Location, of the same origin; null: of another. */
export function sameOriginTarget(reference: string, requestUrl: string): string | null {
  if (reference === '' || !URL.canParse(reference, requestUrl)) return null;
  const base = new URL(requestUrl);
  const found = new URL(reference, base);
  return found.origin === base.origin ? found.pathname + found.search : null;
}
