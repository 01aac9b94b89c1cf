/**
 * Compiles routes and the limiters they use.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { defined } from '../../base/assert.js';
import { durationMs } from '../../base/quantities.js';
import type { CompiledAuthenticator } from '../../filters/authentication/options.js';
import { compileRewrite } from '../../filters/transformation/options.js';
import type {
  CompiledDocument,
  CompiledLimiter,
  CompiledPaths,
  CompiledRoute,
  CompiledUpstream,
} from '../compiled-config.js';
import type { CompiledFaults } from '../compiled-faults.js';
import type { CompiledEventStreams } from '../compiled-replies.js';
import type { CompiledRollout } from '../compiled-split.js';
import type {
  EventStreamsConfig,
  FaultsConfig,
  GatewayConfig,
  GrpcMatchConfig,
  PathsConfig,
  RouteConfig,
} from '../gateway-config.js';
import type { OpenapiOperation } from '../openapi/openapi-routes.js';
import { openapiFile, readOpenapiGroup } from '../openapi/openapi-routes.js';
import { readGrpcJson } from '../references/grpc-json-rules.js';
import { compileMatch, methodsOfMatch, pathOfMatch } from '../references/route-match.js';
import { DEFAULTS } from '../schema/defaults.js';
import { compileAnswer } from './compile-answer.js';
import { compileAuthorization } from './compile-authenticators.js';
import { compileRouteCache } from './compile-cache.js';
import { compileUpstreamErrors, type ErrorTexts } from './compile-errors.js';
import { compileFallback } from './compile-fallback.js';
import { compileFilters, type DescribedRule } from './compile-filters.js';
import { compileLogBodies } from './compile-log-bodies.js';
import { compileMirror } from './compile-mirror.js';
import { compileShares } from './compile-overload.js';
import { routePlugins } from './compile-plugins.js';
import { compileRateLimits } from './compile-rate-limits.js';
import { compileWebSocket } from './compile-websocket.js';

/** What routes refer to by name. */
export interface RouteReferences {
  readonly authenticators: readonly CompiledAuthenticator[];
  readonly upstreams: readonly CompiledUpstream[];
  readonly errorTexts: ErrorTexts;
  /** Worker threads. */
  readonly workers: number;
}

/** Routes and their limiters, which refer to each other by index. */
export interface CompiledRoutes {
  readonly routes: readonly CompiledRoute[];
  readonly limiters: readonly CompiledLimiter[];
  readonly rollouts: readonly CompiledRollout[];
  readonly documents: readonly CompiledDocument[];
}

/** What is kept of what is said about one document. */
const UNSUPPORTED_MAX = 200;

/** Compiles all routes, in the order of the file. */
export function compileRoutes(gateway: GatewayConfig, references: RouteReferences): CompiledRoutes {
  const { errorTexts } = references;
  const authenticatorIndexes = indexesByName(references.authenticators);
  const upstreamIndexes = indexesByName(references.upstreams);
  const limiters: CompiledLimiter[] = [];
  const shares = compileShares(gateway.routes);
  const pluginsOf = routePlugins(gateway);
  const routes: CompiledRoute[] = [];
  const rollouts: CompiledRollout[] = [];
  const documents: CompiledDocument[] = [];
  for (const [position, config] of gateway.routes.entries()) {
    const ofRoute = compileRateLimits(config, limiters.length);
    limiters.push(...ofRoute);
    const authenticators = (config.authenticate ?? []).map((name) =>
      defined(authenticatorIndexes.get(name), 'a checked authenticator'),
    );
    const cache = compileRouteCache(config);
    const shared = {
      ...compileMatch(config.match),
      answer: compileAnswer(config, { upstreamIndexes, authenticatorIndexes }, rollouts),
      ...(config.faults !== undefined && { faults: compileFaults(config.faults) }),
      ...(config.fallback !== undefined && {
        fallback: compileFallback(config.fallback, upstreamIndexes),
      }),
      ...(config.mirror !== undefined && {
        mirror: compileMirror(config.mirror, upstreamIndexes, references.workers),
      }),
      ...(config.logBodies !== undefined && { logBodies: compileLogBodies(config.logBodies) }),
      ...(config.paths !== undefined && { paths: compilePaths(gateway.paths, config.paths) }),
      ...(config.preserveHost !== undefined && { keepsHost: config.preserveHost }),
      timeoutMs: config.timeout === undefined ? 0 : durationMs(config.timeout),
      shareMax: defined(shares[position], 'the share of a route'),
      authenticators,
      ...compileWebSocket(
        config,
        authenticators.map((index) =>
          defined(references.authenticators[index], 'the authenticator of a route'),
        ),
      ),
      ...(config.anonymous === 'allow' && { allowsAnonymous: true as const }),
      ...(config.errors !== undefined && { errors: errorTexts.rulesOf(config.errors) }),
      ...compileUpstreamErrors(config.upstreamErrors ?? gateway.upstreamErrors),
      authorization: compileAuthorization(config.authorize),
      limiterIndexes: ofRoute.filter(({ mode }) => mode !== 'off').map((one) => one.index),
      onCoordinatorLost: config.onCoordinatorLost ?? DEFAULTS.onCoordinatorLost,
      ...(cache !== undefined && { cache }),
      ...pluginsOf(config),
      ...(config.sse !== undefined && { eventStreams: compileEventStreams(config.sse) }),
      rewrite: compileRewrite(config.rewrite ?? {}),
    };
    for (const { operation, rule, path, ...place } of placesOf(config, documents)) {
      const versioned = versionedPath(path, config.match.version, gateway);
      const { version = '' } = versioned;
      const { methods } = place;
      const filters = compileFilters(config, gateway, { methods, version, operation, rule });
      routes.push({ index: routes.length, ...place, ...versioned, ...shared, filters });
    }
  }
  return { routes, limiters, rollouts, documents };
}

interface RoutePlace extends Pick<CompiledRoute, 'name' | 'group' | 'path' | 'methods' | 'scope'> {
  readonly operation?: OpenapiOperation;
  readonly rule?: DescribedRule;
}

/** One for a route, and one for each operation or rule of it; they share the route's limits. */
function placesOf(
  { name, match, openapi, grpcJson }: RouteConfig,
  documents: CompiledDocument[],
): RoutePlace[] {
  const path = defined(pathOfMatch(match), 'the path of a checked route');
  if (grpcJson !== undefined) {
    const own = { name, path, methods: [...(methodsOfMatch(match) ?? [])] };
    return [own, ...jsonPlaces(name, grpcJson.descriptors, match.grpc ?? {})];
  }
  if (openapi === undefined) return [{ name, path, methods: [...(methodsOfMatch(match) ?? [])] }];
  const found = readOpenapiGroup(openapiFile(openapi), path, match.methods);
  const unsupportedCount = found.unsupported.length;
  const unsupported = found.unsupported.slice(0, UNSUPPORTED_MAX);
  documents.push({ route: name, unsupported, unsupportedCount });
  return found.operations.map((operation) => ({
    name: `${name}.${operation.name}`,
    group: name,
    path: operation.path,
    methods: [operation.method],
    scope: operation.scope,
    operation,
  }));
}

function jsonPlaces(
  group: string,
  file: string,
  { service = '', method }: GrpcMatchConfig,
): RoutePlace[] {
  const { rules, base64 } = readGrpcJson(file, service, method);
  const counts = new Map<string, number>();
  return rules.map((rule) => {
    const count = (counts.get(rule.method) ?? 0) + 1;
    counts.set(rule.method, count);
    const name = `${group}.${rule.method}${count === 1 ? '' : `-${count}`}`;
    return { name, group, path: rule.path, methods: [rule.httpMethod], rule: { rule, base64 } };
  });
}

/** A key of the route's own goes before that of the whole gateway. */
export function compilePaths(general: PathsConfig = {}, own: PathsConfig = {}): CompiledPaths {
  return {
    encodedSlash: own.encodedSlash ?? general.encodedSlash ?? '',
    merge: own.merge ?? general.merge ?? DEFAULTS.paths.merge,
  };
}

function compileFaults({ percent, delay, abort = 0, when }: FaultsConfig): CompiledFaults {
  return {
    percent: percent ?? DEFAULTS.faults.percent,
    delayMs: delay === undefined ? 0 : durationMs(delay),
    status: abort,
    header: when?.header.toLowerCase() ?? '',
    value: when?.value ?? '',
  };
}

function compileEventStreams({
  idle,
  heartbeat,
  closeAtTokenExpiry = DEFAULTS.sse.closeAtTokenExpiry,
}: EventStreamsConfig): CompiledEventStreams {
  return {
    idleMs: idle === undefined ? 0 : durationMs(idle),
    heartbeatMs: heartbeat === undefined ? 0 : durationMs(heartbeat),
    outlivesToken: !closeAtTokenExpiry,
  };
}

/** A version in the path is a part of it; any other is asked for beside it. */
function versionedPath(
  path: string,
  version: string | undefined,
  { versioning }: GatewayConfig,
): Pick<CompiledRoute, 'path' | 'version' | 'versionPrefix' | 'aliasPath'> {
  if (version === undefined) return { path };
  if (versioning?.by !== 'path') return { path, version };
  const versionPrefix = `/v${version}`;
  const isDefault = versioning.default === version;
  return { path: versionPrefix + path, versionPrefix, ...(isDefault && { aliasPath: path }) };
}

function indexesByName(
  named: readonly { readonly name: string; readonly index: number }[],
): ReadonlyMap<string, number> {
  return new Map(named.map(({ name, index }) => [name, index]));
}
