/**
 * What a request says of who has sent it: a browser that wants a page, a script, another site; and
 * how a browser is sent on.
 *
 * Thread: any (pure). Fetch metadata (W3C) where the browser sends it, else older signs.
 */
import { type FieldBlock, field, joinFields } from '../../../base/field-block.js';
import { type LocalReply, plainReply } from '../../local-reply.js';
import type { AuthenticationRequest } from '../authenticator.js';

/**
 * Whether a login page would be understood: a browser asks for a page to show. Scripts, programs,
 * frames and prefetches get 401 instead.
 */
export function wantsPage({ method, fields }: AuthenticationRequest): boolean {
  if (method !== 'GET' || fields.authorization !== '') return false;
  const value = (name: string): string => fields.values(name).join(',').toLowerCase();
  const mode = value('sec-fetch-mode');
  const target = value('sec-fetch-dest');
  return (
    value('accept').includes('text/html') &&
    (mode === '' || mode === 'navigate') &&
    (target === '' || target === 'document') &&
    value('x-requested-with') === '' &&
    value('sec-purpose') === '' &&
    value('upgrade') === ''
  );
}

/**
 * Whether the browser says that a page of the same origin, or its user, has caused the request. A
 * browser that says nothing is not believed.
 */
export function isOfOwnPage({ fields }: AuthenticationRequest, origin: string): boolean {
  const value = (name: string): string => fields.values(name).join(',').toLowerCase();
  // What is fetched before its time, nobody has asked for yet.
  if (value('sec-purpose') !== '') return false;
  const site = value('sec-fetch-site');
  if (site !== '') return site === 'same-origin' || site === 'none';
  const from = value('origin');
  if (from !== '') return from === origin;
  const referer = value('referer');
  return URL.canParse(referer) && new URL(referer).origin === origin;
}

/** Scheme, host and port by which the browser knows the gateway; '': its Host is none. */
export function originOf({ scheme, fields }: AuthenticationRequest, configured: string): string {
  if (configured !== '') return configured;
  const text = `${scheme}://${fields.host}`;
  if (fields.host === '' || !URL.canParse(text)) return '';
  const { origin, href } = new URL(text);
  return href === `${origin}/` ? origin : '';
}

export type Cookies = readonly (readonly [name: string, value: string])[];

/** All cookies in the order of the browser: the older ones first (RFC 6265 5.4). */
export function cookiesOf({ fields }: AuthenticationRequest): Cookies {
  return fields.values('cookie').flatMap((field) =>
    field.split(';').flatMap((pair) => {
      const mark = pair.indexOf('=');
      if (mark === -1) return [];
      return [[pair.slice(0, mark).trim(), pair.slice(mark + 1).trim()] as const];
    }),
  );
}

/** Whether the browser speaks TLS, with this gateway or with what stands in front of it. */
export function isSecure({ scheme }: AuthenticationRequest, configured: string): boolean {
  return configured === '' ? scheme === 'https' : configured.startsWith('https:');
}

/** A redirect that nobody stores. */
export function redirect(location: string, fields: FieldBlock, status = 302): LocalReply {
  const own = joinFields(field('Location', location), field('Cache-Control', 'no-store'));
  return plainReply(status, joinFields(own, fields));
}
