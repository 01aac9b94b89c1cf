/**
 * Compiles the filters of one route: defaults filled in, names in the case that they are compared
 * in. What a route does not configure is not there.
 *
 * Thread: acceptor. A part of compile-routes.ts; runs on a configuration that was checked.
 */
import { defined } from '../../base/assert.js';
import { parseDurationMs, parseSizeBytes } from '../../base/quantities.js';
import { isPlainText } from '../../base/template-text.js';
import type { CompiledCors, CorsConfig } from '../../filters/cors/options.js';
import type {
  CompiledFixedReply,
  RedirectConfig,
  RespondConfig,
} from '../../filters/fixed-reply/options.js';
import type { CompiledGuards, GuardsConfig } from '../../filters/guards/options.js';
import type { CompiledIpFilter, IpFilterConfig } from '../../filters/ip-filter/options.js';
import { compileSecurityHeaders } from '../../filters/security-headers/options.js';
import {
  type CompiledBodyEdits,
  type CompiledFieldEdits,
  type CompiledTransformation,
  parsePointer,
  type RewriteBodyConfig,
  type RewriteConfig,
  type RewriteFieldsConfig,
  type RewriteReplyConfig,
} from '../../filters/transformation/options.js';
import {
  type CompiledDeprecation,
  type CompiledVersioning,
  type DeprecationConfig,
  parseDate,
} from '../../filters/versioning/options.js';
import { normalizeAddressRange } from '../check/address-range.js';
import type { CompiledFilters, CompiledRoute } from '../compiled-config.js';
import { DEFAULTS } from '../defaults.js';
import type { GatewayConfig, RouteConfig } from '../gateway-config.js';
import type { OpenapiOperation } from '../openapi/openapi-routes.js';
import { compileBounds, compileValidation } from './compile-validation.js';

/** Preflights of a route without a list of methods may ask for these. */
const EVERY_METHOD = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** The filters of a route: its own, and those of the whole gateway where it has none. */
export function compileFilters(
  route: RouteConfig,
  gateway: GatewayConfig,
  operation?: OpenapiOperation,
): CompiledFilters {
  const bodyBytes = parseSizeBytes(gateway.limits?.bodyBytes ?? DEFAULTS.limits.bodyBytes) ?? 0;
  const methods = operation === undefined ? route.match.methods : [operation.method];
  const validation = route.validation ?? {};
  const cors = route.cors ?? gateway.cors;
  const securityHeaders = route.securityHeaders ?? gateway.securityHeaders ?? false;
  const transformation = compileTransformation(route.rewrite ?? {}, route.rewriteReply ?? {});
  return {
    ...(route.ipFilter && { ipFilter: compileIpFilter(route.ipFilter) }),
    ...(cors && { cors: compileCors(cors, methods ?? EVERY_METHOD) }),
    ...(securityHeaders !== false && {
      securityHeaders: compileSecurityHeaders(securityHeaders === true ? {} : securityHeaders),
    }),
    ...(route.guards && { guards: compileGuards(route.guards, gateway) }),
    ...(route.deprecation && { deprecation: compileDeprecation(route.deprecation) }),
    ...(route.validation && { validation: compileValidation(validation, bodyBytes) }),
    ...(operation && {
      validation: { ...operation.validation, ...compileBounds(validation, bodyBytes) },
    }),
    ...(transformation && { transformation }),
  };
}

export function compileIpFilter({ allow = [], deny = [] }: IpFilterConfig): CompiledIpFilter {
  const ranges = (list: readonly string[]) =>
    list.map((range) => defined(normalizeAddressRange(range), 'a checked range'));
  return { allow: ranges(allow), deny: ranges(deny) };
}

/** null: no route has a version. */
export function compileVersioning({ versioning }: GatewayConfig): CompiledVersioning | null {
  if (versioning === undefined) return null;
  const { by, header = DEFAULTS.versioning.header } = versioning;
  return { by, header: header.toLowerCase(), default: versioning.default ?? '' };
}

function compileDeprecation({ since, sunset, link = '' }: DeprecationConfig): CompiledDeprecation {
  const ms = (date: string | undefined) =>
    date === undefined ? -1 : defined(parseDate(date), 'a checked date');
  const sinceMs = ms(since);
  return {
    sinceSeconds: sinceMs < 0 ? -1 : Math.floor(sinceMs / 1000),
    sunsetMs: ms(sunset),
    link,
  };
}

function compileGuards(config: GuardsConfig, { limits = {} }: GatewayConfig): CompiledGuards {
  const { limits: byDefault, guards } = DEFAULTS;
  const smaller = (own: string | number | undefined, all: string | number) =>
    Math.min(parseSizeBytes(own ?? all) ?? 0, parseSizeBytes(all) ?? 0);
  const { bodyTimeout = '0s', minBodyRate } = config;
  return {
    headerBytes: smaller(config.headerBytes, limits.headerBytes ?? byDefault.headerBytes),
    headerCount: config.headerCount ?? guards.headerCount,
    bodyBytes: smaller(config.bodyBytes, limits.bodyBytes ?? byDefault.bodyBytes),
    bodyTimeoutMs: defined(parseDurationMs(bodyTimeout), 'a checked duration'),
    minBytesPerSecond: minBodyRate?.bytesPerSecond ?? 0,
    graceMs: defined(parseDurationMs(minBodyRate?.grace ?? guards.grace), 'a checked duration'),
  };
}

function compileCors(config: CorsConfig, routeMethods: readonly string[]): CompiledCors {
  const maxAge = defined(parseDurationMs(config.maxAge ?? DEFAULTS.cors.maxAge), 'a duration');
  return {
    origins: [...config.origins],
    methods: [...(config.methods ?? routeMethods)],
    headers: (config.headers ?? []).map((name) => name.toLowerCase()),
    exposeHeaders: [...(config.exposeHeaders ?? [])],
    credentials: config.credentials ?? false,
    maxAgeSeconds: Math.floor(maxAge / 1000),
  };
}

/** Fields that are only removed or set to fixed texts: the forwarder's, at no cost. */
export function compileRewrite({
  stripPrefix = '',
  headers = {},
}: RewriteConfig): CompiledRoute['rewrite'] {
  const { fixed } = splitHeaders(headers);
  return {
    stripPrefix,
    setHeaders: lowerNames(fixed.set ?? {}),
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

function compileBodyEdits(config: RewriteBodyConfig): CompiledBodyEdits {
  const { set = {}, remove = [], rename = {} } = config;
  const maxBytes = config.maxBytes ?? DEFAULTS.rewriteBody.maxBytes;
  return {
    set: Object.entries(set).map(([pointer, value]) => ({ keys: keysOf(pointer), value })),
    remove: remove.map(keysOf),
    rename: Object.entries(rename).map(([from, to]) => ({ from: keysOf(from), to: keysOf(to) })),
    maxBytes: defined(parseSizeBytes(maxBytes), 'a checked size'),
  };
}

function keysOf(pointer: string): readonly string[] {
  const keys = parsePointer(pointer);
  return defined(typeof keys === 'string' ? undefined : keys, 'a checked pointer');
}

/** A reply that a route has in place of an upstream. */
export function compileRespond(config: RespondConfig): CompiledFixedReply {
  return {
    status: config.status ?? DEFAULTS.respond.status,
    body: config.body ?? '',
    contentType: config.contentType ?? DEFAULTS.respond.contentType,
    headers: lowerNames(config.headers ?? {}),
    location: '',
    keepQuery: false,
  };
}

/** A redirect that a route has in place of an upstream. */
export function compileRedirect(config: RedirectConfig): CompiledFixedReply {
  return {
    status: config.status ?? DEFAULTS.redirect.status,
    body: '',
    contentType: '',
    headers: [],
    location: config.to,
    keepQuery: config.keepQuery ?? DEFAULTS.redirect.keepQuery,
  };
}

function lowerNames(fields: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(fields).map(([name, text]) => [name.toLowerCase(), text]);
}
