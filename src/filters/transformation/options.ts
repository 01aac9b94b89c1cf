/**
 * Options of what changes in requests on their way to the upstream, and in replies on their way
 * back.
 *
 * Thread: any (pure). The keys are described in rewrite-keys.ts and checked in check-rewrite.ts.
 */
import { defined } from '../../base/assert.js';
import { sizeBytes } from '../../base/quantities.js';
import { isPlainText } from '../../base/template-text.js';
import type { BodyFormats } from '../collected-body.js';
import { filterOptions } from '../filter-options.js';
import { parsePointer } from './body-pointer.js';
import { checkRewrite, checkRewriteReply } from './check-rewrite.js';
import {
  BODY_BYTES_BY_DEFAULT,
  REWRITE_NODE,
  REWRITE_REPLY_NODE,
  type RewriteBodyConfig,
  type RewriteConfig,
  type RewriteCookiesConfig,
  type RewriteFieldsConfig,
  type RewriteReplyConfig,
} from './rewrite-keys.js';

export interface CompiledFieldEdits {
  /** Names (of header fields in lower case) and templates. */
  readonly set: readonly (readonly [string, string])[];
  readonly add: readonly (readonly [string, string])[];
  readonly remove: readonly string[];
  readonly rename: readonly (readonly [string, string])[];
}

/** What the whole document becomes. */
export interface BodyTemplate {
  readonly value: unknown;
}

export interface CompiledBodyEdits extends BodyFormats {
  /** null: members are changed. */
  readonly template: BodyTemplate | null;
  readonly set: readonly { readonly keys: readonly string[]; readonly value: unknown }[];
  readonly remove: readonly (readonly string[])[];
  readonly rename: readonly { readonly from: readonly string[]; readonly to: readonly string[] }[];
  readonly maxBytes: number;
}

/** The start of a text, and what stands in its place. */
export interface Prefix {
  readonly from: string;
  readonly to: string;
}

export interface CompiledCookieEdits {
  /** null: all. */
  readonly names: ReadonlySet<string> | null;
  /** By name in lower case, without a dot at its start; `*`: all others. '': none. */
  readonly domains: ReadonlyMap<string, string>;
  readonly paths: readonly Prefix[];
  /** Attributes that cookies have, and the rest of their text; null: they do not have them. */
  readonly set: readonly (readonly [name: string, text: string | null])[];
}

export interface CompiledTransformation {
  readonly stripPrefix: string;
  readonly addPrefix: string;
  /** Empty: the client's path. */
  readonly path: string;
  readonly query: CompiledFieldEdits | null;
  readonly headers: CompiledFieldEdits | null;
  readonly body: CompiledBodyEdits | null;
  /** The longest ones first; null: nothing is replaced. */
  readonly replyUrls: readonly Prefix[] | null;
  readonly replyCookies: CompiledCookieEdits | null;
  readonly replyHeaders: CompiledFieldEdits | null;
  readonly replyBody: CompiledBodyEdits | null;
}

/** What the forwarder does while it writes the head, at no cost for each request. */
export interface CompiledRewrite {
  /** Empty: nothing is stripped. */
  readonly stripPrefix: string;
  /** Lower-case names. */
  readonly setHeaders: readonly (readonly [string, string])[];
  readonly removeHeaders: readonly string[];
}

export const TRANSFORMATION = filterOptions({
  name: 'transformation',
  route: { rewrite: REWRITE_NODE, rewriteReply: REWRITE_REPLY_NODE },
  gateway: {},
  places: ['edit', 'requestBody', 'droppedFields', 'replyHead', 'replyBody'],
  check: ({ rewrite = {}, rewriteReply = {} }, place) => {
    checkRewrite(rewrite, place);
    checkRewriteReply(rewriteReply, place);
  },
  compile: ({ rewrite = {}, rewriteReply = {} }) => compileTransformation(rewrite, rewriteReply),
});

/** Fields that are only removed or set to fixed texts, and what is cut off the path. */
export function compileRewrite({ stripPrefix = '', headers = {} }: RewriteConfig): CompiledRewrite {
  const { fixed } = splitHeaders(headers);
  return {
    stripPrefix,
    setHeaders: Object.entries(fixed.set ?? {}).map(([name, text]) => [name.toLowerCase(), text]),
    removeHeaders: (fixed.remove ?? []).map((name) => name.toLowerCase()),
  };
}

/** What can be written without looking at the request, and what cannot. */
function splitHeaders(headers: RewriteFieldsConfig): {
  fixed: RewriteFieldsConfig;
  made: RewriteFieldsConfig;
} {
  const { set = {}, remove = [], ...made } = headers;
  const entries = Object.entries(set);
  return {
    fixed: { set: Object.fromEntries(entries.filter(([, text]) => isPlainText(text))), remove },
    made: { ...made, set: Object.fromEntries(entries.filter(([, text]) => !isPlainText(text))) },
  };
}

function compileTransformation(
  rewrite: RewriteConfig,
  reply: RewriteReplyConfig,
): CompiledTransformation | null {
  const { made } = splitHeaders(rewrite.headers ?? {});
  const compiled = {
    stripPrefix: rewrite.stripPrefix ?? '',
    addPrefix: rewrite.addPrefix ?? '',
    path: rewrite.path ?? '',
    query: compileFieldEdits(rewrite.query ?? {}, (name) => name),
    headers: compileFieldEdits(made, (name) => name.toLowerCase()),
    body: rewrite.body ? compileBodyEdits(rewrite.body) : null,
    replyUrls: compilePrefixes(reply.location ?? {}),
    replyCookies: reply.cookies ? compileCookies(reply.cookies) : null,
    replyHeaders: compileFieldEdits(reply.headers ?? {}, (name) => name.toLowerCase()),
    replyBody: reply.body ? compileBodyEdits(reply.body) : null,
  };
  const { stripPrefix: _, ...changes } = compiled;
  return Object.values(changes).some((change) => change !== null && change !== '')
    ? compiled
    : null;
}

function compileFieldEdits(
  { set = {}, add = {}, remove = [], rename = {} }: RewriteFieldsConfig,
  toName: (name: string) => string,
): CompiledFieldEdits | null {
  const edits = {
    set: Object.entries(set).map(([name, text]) => [toName(name), text] as const),
    add: Object.entries(add).map(([name, text]) => [toName(name), text] as const),
    remove: remove.map(toName),
    rename: Object.entries(rename).map(([from, to]) => [toName(from), toName(to)] as const),
  };
  return Object.values(edits).some((list) => list.length > 0) ? edits : null;
}

function compilePrefixes(prefixes: Readonly<Record<string, string>>): readonly Prefix[] | null {
  const list = Object.entries(prefixes).map(([from, to]) => ({ from, to }));
  return list.length === 0 ? null : list.sort((a, b) => b.from.length - a.from.length);
}

function compileCookies(config: RewriteCookiesConfig): CompiledCookieEdits | null {
  const { names, domain = {}, path = {}, secure, httpOnly, sameSite } = config;
  const set: [string, string | null][] = [];
  if (secure !== undefined) set.push(['Secure', secure ? '' : null]);
  if (httpOnly !== undefined) set.push(['HttpOnly', httpOnly ? '' : null]);
  if (sameSite !== undefined) set.push(['SameSite', `=${SAME_SITE[sameSite]}`]);
  const domains = Object.entries(domain).map(([from, to]) => [domainKey(from), to] as const);
  const paths = compilePrefixes(path) ?? [];
  if (set.length + domains.length + paths.length === 0) return null;
  const named = names === undefined ? null : new Set(names);
  return { names: named, domains: new Map(domains), paths, set };
}

const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' } as const;

function domainKey(name: string): string {
  return name.toLowerCase().replace(/^\./, '');
}

function compileBodyEdits(config: RewriteBodyConfig): CompiledBodyEdits {
  const { from = 'json', to = 'json', template, set = {}, remove = [], rename = {} } = config;
  return {
    from,
    to,
    template: template === undefined ? null : { value: template },
    set: Object.entries(set).map(([pointer, value]) => ({ keys: pointerKeysOf(pointer), value })),
    remove: remove.map(pointerKeysOf),
    rename: Object.entries(rename).map(([from, to]) => ({
      from: pointerKeysOf(from),
      to: pointerKeysOf(to),
    })),
    maxBytes: sizeBytes(config.maxBytes ?? BODY_BYTES_BY_DEFAULT),
  };
}

function pointerKeysOf(pointer: string): readonly string[] {
  const keys = parsePointer(pointer);
  return defined(typeof keys === 'string' ? undefined : keys, 'a checked pointer');
}
