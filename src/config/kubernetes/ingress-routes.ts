/**
 * The routes of one Ingress.
 *
 * Thread: any (pure). What does not fit is a problem of the object, and of no other one.
 */
import { createHash } from 'node:crypto';
import type { AuthenticatorConfig, MatchConfig, RouteConfig } from '../gateway-config.js';
import type { CompiledKubernetes, UsersSecret } from '../kubernetes-settings.js';
import { asciiHost } from '../references/route-match.js';
import { ALIASES_MAX, type IngressOptions } from './ingress-annotations.js';
import type { IngressBackend, IngressObject, IngressPath } from './ingress-object.js';
import { routedPath } from './ingress-paths.js';
import { type NamedUpstream, upstreamOf } from './service-upstream.js';

/** Names of listeners, by whether their clients speak TLS. */
export interface ListenerNames {
  readonly plain: readonly string[];
  readonly secure: readonly string[];
}

export interface IngressContext {
  readonly settings: CompiledKubernetes;
  readonly listeners: ListenerNames;
  /** Of a namespace; null: it is not there. */
  usersOf(namespace: string, name: string): UsersSecret | null;
}

/** A route, and what it stands for in the object. */
export interface RouteDraft {
  /** Host and path: nobody else may have the same. */
  readonly place: string;
  readonly config: RouteConfig;
  /** null: it leads to no service. */
  readonly upstream: NamedUpstream | null;
}

export interface IngressDrafts {
  readonly routes: readonly RouteDraft[];
  readonly authenticator: { readonly name: string; readonly config: AuthenticatorConfig } | null;
  readonly notes: readonly string[];
}

type Say = (problem: string) => void;

/** Of routes with one host and one path; conditions of canaries stand above. */
const NAME_CHARS_MAX = 50;
const HASH_CHARS = 10;
const REDIRECT_STATUS = 308;

export function shortHash(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, HASH_CHARS);
}

export function draftRoutes(
  object: IngressObject,
  options: IngressOptions,
  context: IngressContext,
  say: Say,
): IngressDrafts {
  const notes = [...options.notes];
  const authenticator = authenticatorOf(object, options, context, say);
  const common = commonFields(options, authenticator?.name ?? null);
  const aliases = aliasesOf(object, options, say);
  const maker = new RouteMaker({ object, options, context, common, aliases, notes });
  const routes = pathsOf(object).flatMap((path) => maker.routesOf(path, say));
  const isAtRoot = (host: string) => routes.some(({ place }) => place === placeIn(host, '/'));
  const roots = options.appRoot === '' ? [] : object.hosts.filter((host) => !isAtRoot(host));
  return {
    routes: [...routes, ...roots.map((host) => maker.appRoot(host))],
    authenticator,
    notes: [...new Set(notes)],
  };
}

function placeIn(host: string, pattern: string): string {
  return `${host === '' ? '*' : host}${pattern}`;
}

/** Those of the rules, and what `defaultBackend` adds to them. */
function pathsOf({ paths, defaultBackend, hosts }: IngressObject): readonly IngressPath[] {
  if (defaultBackend === null) return paths;
  const atRoot = (host: string): IngressPath => ({
    ...{ host, path: '/', pathType: 'Prefix', backend: defaultBackend },
  });
  if (hosts.length === 0) return [atRoot('')];
  const hasRoot = (host: string): boolean =>
    paths.some((one) => one.host === host && one.path === '/' && one.pathType !== 'Exact');
  return [...paths, ...hosts.filter((host) => !hasRoot(host)).map(atRoot)];
}

function aliasesOf(object: IngressObject, { aliases }: IngressOptions, say: Say): string[] {
  if (aliases.length === 0) return [];
  if (aliases.length > ALIASES_MAX) say(`server-alias: names more than ${ALIASES_MAX} hosts`);
  const [host = '', ...others] = object.hosts;
  if (others.length > 0 || host === '' || host.startsWith('*')) {
    say('server-alias: needs one host in the rules, which it is another name of');
  }
  return aliases.flatMap((alias) => {
    const name = asciiHost(alias);
    if (name === undefined || name.startsWith('*')) {
      say(`server-alias: ${JSON.stringify(alias)} is no name of a host`);
      return [];
    }
    return [name];
  });
}

type CommonFields = Omit<RouteConfig, 'name' | 'match'>;

function commonFields(options: IngressOptions, authenticator: string | null): CommonFields {
  const { allow, deny, cors, bodyBytes, limits, errorStatuses } = options;
  return {
    ...((allow.length > 0 || deny.length > 0) && {
      ipFilter: {
        ...(allow.length > 0 && { allow: [...new Set(allow)] }),
        ...(deny.length > 0 && { deny: [...new Set(deny)] }),
      },
    }),
    ...(cors !== null && { cors }),
    ...(bodyBytes !== null && { guards: { bodyBytes } }),
    ...(limits.length > 0 && { rateLimit: limits }),
    ...(errorStatuses.length > 0 && { upstreamErrors: [...new Set(errorStatuses)] }),
    ...(authenticator !== null && { authenticate: [authenticator] }),
  };
}

function authenticatorOf(
  { namespace }: IngressObject,
  { forwardAuth, basicSecret }: IngressOptions,
  { usersOf }: IngressContext,
  say: Say,
): IngressDrafts['authenticator'] {
  if (forwardAuth !== null && basicSecret !== '') say('auth-url and auth-type: only one of both');
  if (forwardAuth !== null) {
    const { url, responseHeaders } = forwardAuth;
    const config: AuthenticatorConfig = {
      ...{ type: 'forwardAuth', url, responseHeaders: [...new Set(responseHeaders)] },
      allowHttp: url.startsWith('http:'),
    };
    return { name: `k8s-auth-${shortHash(config)}`, config };
  }
  if (basicSecret === '') return null;
  const own = basicSecret.startsWith(`${namespace}/`)
    ? basicSecret.slice(namespace.length + 1)
    : basicSecret;
  if (own.includes('/')) {
    say('auth-secret: secrets of other namespaces are not read');
    return null;
  }
  const secret = usersOf(namespace, own);
  if (secret === null || secret.auth === null) {
    say(`auth-secret: the secret ${own} with the key auth is not there, or cannot be read`);
    return null;
  }
  const users = usersIn(secret.auth, say);
  if (users.length === 0) {
    say(`auth-secret: the secret ${own} has no users`);
    return null;
  }
  const config: AuthenticatorConfig = { type: 'basic', users };
  return { name: `k8s-users-${shortHash(namespace, own)}`, config };
}

/** Lines of `USER:HASH`; the hash is one of `sluice hash-password`. */
function usersIn(text: string, say: Say): { id: string; passwordHash: string }[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => {
      const mark = line.indexOf(':');
      const [id, passwordHash] = [line.slice(0, Math.max(0, mark)), line.slice(mark + 1)];
      if (mark > 0 && passwordHash.startsWith('$scrypt$')) return [{ id, passwordHash }];
      // Neither the user nor the hash is repeated.
      say('auth-secret: has a password that is not hashed with scrypt: sluice hash-password');
      return [];
    });
}

interface RouteMakerParts {
  readonly object: IngressObject;
  readonly options: IngressOptions;
  readonly context: IngressContext;
  readonly common: CommonFields;
  readonly aliases: readonly string[];
  readonly notes: string[];
}

/** Makes the routes of paths, all of one object. */
class RouteMaker {
  constructor(private readonly parts: RouteMakerParts) {}

  routesOf(path: IngressPath, say: Say): RouteDraft[] {
    const { options, common, notes } = this.parts;
    const routed = routedPath(path, options);
    if (typeof routed === 'string') {
      say(routed);
      return [];
    }
    const match = this.matchOf(path.host, routed.pattern);
    const place = placeIn(path.host, routed.pattern);
    const upstream = options.redirect === null ? this.upstream(path.backend) : null;
    const { forwardedPrefix } = options;
    const rewrite = {
      ...routed.rewrite,
      ...(forwardedPrefix !== '' && {
        headers: { set: { 'x-forwarded-prefix': forwardedPrefix } },
      }),
    };
    const config: RouteConfig = {
      ...{ name: this.nameOf(place, 'main'), match, ...common },
      ...(options.redirect !== null && { redirect: { ...options.redirect, keepQuery: false } }),
      ...(upstream !== null && { upstream: upstream.name }),
      ...(upstream !== null && Object.keys(rewrite).length > 0 && { rewrite }),
    };
    const main: RouteDraft = { place, config: answers(config), upstream };
    const secure = this.secureListeners(path.host, notes);
    if (secure === null) return [main];
    const { plain, names } = secure;
    const behind = { ...main, config: withListeners(main.config, names) };
    return [behind, this.redirectDraft(path.host, { place, match, plain })];
  }

  /** A redirect to where the application is. */
  appRoot(host: string): RouteDraft {
    const place = placeIn(host, '/');
    const match = this.matchOf(host, '/');
    const redirect = { to: this.parts.options.appRoot, status: 302 };
    return { place, config: { name: this.nameOf(place, 'root'), match, redirect }, upstream: null };
  }

  private upstream(backend: IngressBackend): NamedUpstream {
    const { object, options, context } = this.parts;
    const service = { namespace: object.namespace, ...backend };
    return upstreamOf(service, options.backend, context.settings);
  }

  private matchOf(host: string, path: string): MatchConfig {
    const match: MatchConfig = { path, methods: ['*'] };
    if (host === '') return match;
    if (!host.startsWith('*.')) return { ...match, hosts: [host, ...this.parts.aliases] };
    // A star of an Ingress is one label, that of a route any number.
    const pattern = `(?i)[^.:]+\\.${host.slice(2).replaceAll('.', '\\.')}\\.?(:[0-9]+)?`;
    return { ...match, hosts: [host], headers: { host: { pattern } } };
  }

  private nameOf(place: string, kind: string): string {
    const { namespace, name, uid } = this.parts.object;
    const text = `${namespace}.${name}`.slice(0, NAME_CHARS_MAX);
    return `${text}.${shortHash(uid, place, kind)}`;
  }

  /** null: requests without TLS are answered as well. */
  private secureListeners(
    host: string,
    notes: string[],
  ): { readonly plain: readonly string[]; readonly names: readonly string[] } | null {
    const { object, options, context } = this.parts;
    const hasTls = object.tls.some(({ hosts }) => hosts.length === 0 || covers(hosts, host));
    const isWanted = options.forcesSsl || (options.sslRedirect && hasTls);
    if (!isWanted) return null;
    const { plain, secure } = context.listeners;
    if (secure.length === 0) notes.push('no listener has TLS: nobody is sent to https');
    return secure.length === 0 || plain.length === 0 ? null : { plain, names: secure };
  }

  /** The same URL with https. The host of a client is one that the route has just accepted. */
  private redirectDraft(
    host: string,
    to: { readonly place: string; readonly match: MatchConfig; readonly plain: readonly string[] },
  ): RouteDraft {
    const isName = host !== '' && !host.startsWith('*') && this.parts.aliases.length === 0;
    const authority = isName ? host : '${request.host}';
    const location = `https://${authority}\${request.path}\${request.query}`;
    const config: RouteConfig = {
      name: this.nameOf(to.place, 'https'),
      match: to.match,
      respond: { status: REDIRECT_STATUS, headers: { location } },
    };
    return { place: to.place, config: withListeners(config, to.plain), upstream: null };
  }
}

/** What is answered without a service has no body, and nothing of a target. */
function answers(config: RouteConfig): RouteConfig {
  if (config.redirect === undefined) return config;
  const { upstreamErrors: _errors, ...rest } = config;
  return rest;
}

function withListeners(config: RouteConfig, names: readonly string[]): RouteConfig {
  return { ...config, match: { ...config.match, listener: names } };
}

function covers(hosts: readonly string[], host: string): boolean {
  if (hosts.includes(host)) return true;
  const dot = host.indexOf('.');
  return dot > 0 && hosts.includes(`*${host.slice(dot)}`);
}
