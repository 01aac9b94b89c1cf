/**
 * Changes the paths and names that a target writes into `Location`, `Content-Location` and
 * `Set-Cookie`, where the client reaches it under other ones.
 *
 * Thread: worker. What names another server than the one that the client has asked stays as it is
 * unless the configuration names that server. Of a cookie only the attributes change that are
 * named; all other bytes stay (RFC 6265 section 5.2).
 */
import type { ReplyStep } from '../filter.js';
import type { ReplyHead } from '../reply-head.js';
import type { RequestView } from '../request-view.js';
import type { CompiledCookieEdits, Prefix } from './options.js';

/** Fields that hold one URL. */
const URL_FIELDS = ['Location', 'Content-Location'] as const;
const ABSOLUTE_URL = /^((?:https?:)?\/\/)([^/?#\\@\s]+)(.*)$/i;
/** Browsers take such a cookie only with `Path=/`, and without a domain. */
const HOST_ONLY = /^\s*__Host-/i;

/** `prefixes`: the longest ones first. */
export function urlsStep(prefixes: readonly Prefix[]): ReplyStep {
  return (head, request) => {
    if (head.isLocal) return;
    for (const name of URL_FIELDS) {
      const [value, second] = head.values(name.toLowerCase());
      // Several are no valid field: which one a client follows is not known.
      if (value === undefined || second !== undefined) continue;
      const made = urlFor(value, prefixes, request);
      if (made !== value) head.set(name, made);
    }
  };
}

function urlFor(url: string, prefixes: readonly Prefix[], request: RequestView): string {
  const named = replaced(url, prefixes);
  if (named !== null) return named;
  const [, slashes = '', authority = '', rest = ''] = ABSOLUTE_URL.exec(url) ?? [];
  if (authority === '' || !isAsked(authority, request)) return url;
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  const made = replaced(path, prefixes);
  if (made === null) return url;
  // What goes to another server is whole already.
  return made.startsWith('/') ? slashes + authority + made : made;
}

function isAsked(authority: string, { fields }: RequestView): boolean {
  const [forwarded = ''] = fields.value('x-forwarded-host').split(',', 1);
  const lower = authority.toLowerCase();
  return lower === fields.host.toLowerCase() || lower === forwarded.trim().toLowerCase();
}

/** null: no prefix fits. */
function replaced(text: string, prefixes: readonly Prefix[]): string | null {
  // A browser takes both for the start of another server's name.
  if (/^[/\\]{2}/.test(text)) return null;
  for (const { from, to } of prefixes) {
    if (!startsWith(text, from)) continue;
    const rest = text.slice(from.length);
    // The prefix ends with its segment.
    if (!from.endsWith('/') && !/^(?:[/?#]|$)/.test(rest)) continue;
    const made = to + rest;
    // A path that begins with two slashes would name a server.
    return made.startsWith('//') ? null : made;
  }
  return null;
}

/** Scheme and name of a server are the same in every case of their letters, a path is not. */
function startsWith(text: string, prefix: string): boolean {
  const [, slashes = '', authority = ''] = ABSOLUTE_URL.exec(prefix) ?? [];
  const named = slashes.length + authority.length;
  return (
    text.slice(0, named).toLowerCase() === prefix.slice(0, named).toLowerCase() &&
    text.startsWith(prefix.slice(named), named)
  );
}

export function cookiesStep(edits: CompiledCookieEdits): ReplyStep {
  return (head) => {
    if (head.isLocal) return;
    const values = head.values('set-cookie');
    if (values.length === 0) return;
    const made = values.map((cookie) => cookieFor(cookie, edits));
    if (made.some((cookie, at) => cookie !== values[at])) replaceCookies(head, made);
  };
}

function replaceCookies(head: ReplyHead, cookies: readonly string[]): void {
  head.remove('set-cookie');
  for (const cookie of cookies) head.add('Set-Cookie', cookie);
}

function cookieFor(cookie: string, edits: CompiledCookieEdits): string {
  const [pair = '', ...attributes] = cookie.split(';');
  if (cookie === '') return cookie;
  const name = pair.slice(0, Math.max(0, pair.indexOf('='))).trim();
  if (edits.names !== null && !edits.names.has(name)) return cookie;
  const isHostOnly = HOST_ONLY.test(pair);
  const kept: string[] = [pair];
  for (const attribute of attributes) {
    const made = attributeFor(attribute, edits, isHostOnly);
    if (made !== null) kept.push(made);
  }
  for (const [attribute, text] of edits.set) if (text !== null) kept.push(` ${attribute}${text}`);
  return kept.join(';');
}

/** null: it goes. */
function attributeFor(
  attribute: string,
  { set, domains, paths }: CompiledCookieEdits,
  isHostOnly: boolean,
): string | null {
  const equals = attribute.indexOf('=');
  const name = (equals === -1 ? attribute : attribute.slice(0, equals)).trim().toLowerCase();
  if (set.some(([other]) => other.toLowerCase() === name)) return null;
  if (isHostOnly || equals === -1) return attribute;
  const value = attribute.slice(equals + 1).trim();
  switch (name) {
    case 'domain':
      return domainFor(attribute, value, domains);
    case 'path': {
      const made = replaced(value, paths);
      return made === null ? attribute : ` Path=${made}`;
    }
    default:
      return attribute;
  }
}

function domainFor(
  attribute: string,
  value: string,
  domains: CompiledCookieEdits['domains'],
): string | null {
  const made = domains.get(value.toLowerCase().replace(/^\./, '')) ?? domains.get('*');
  if (made === undefined) return attribute;
  // Without the attribute the cookie belongs to the host that the client has asked.
  return made === '' ? null : ` Domain=${made}`;
}
