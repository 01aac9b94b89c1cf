/**
 * Reads the head of a request and finds the route that takes it.
 *
 * Thread: worker. What is routed is what the target gets: one spelling of the path for both.
 */
import { defined } from '../../base/assert.js';
import { field } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import type { RequestIdSource } from '../../base/request-id.js';
import {
  connectionFacts,
  HEAD_CONNECTION,
  HEAD_METHOD,
  HEAD_PEER,
  HEAD_TARGET,
} from '../../channel/records/request-head.js';
import type { CompiledConfig } from '../../config/compiled-config.js';
import { requestedMethod } from '../../filters/cors/cors.js';
import type { RequestStep, StepResult } from '../../filters/filter.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import type { VersionChooser } from '../../filters/versioning/version-choice.js';
import { normalizePath } from '../../routing/normalize-path.js';
import { METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND, type RouteTable } from '../../routing/route-table.js';
import type { Exchange } from '../exchange.js';
import type { WorkerRoute } from '../worker-route.js';
import { RequestFields } from './request-fields.js';
import type { TrustedProxies } from './trusted-proxies.js';

export interface RouteMatcherParts {
  readonly table: RouteTable;
  /** By row. */
  readonly routes: readonly (WorkerRoute | undefined)[];
  readonly trustedProxies: TrustedProxies;
  readonly hardening: CompiledConfig['hardening'];
  readonly acceptsRequestIdOf: CompiledConfig['acceptsRequestIdOf'];
  /** null: no route has a version. */
  readonly chooseVersion: VersionChooser | null;
  /** Of every request, whether a route takes it or not; null: none. */
  readonly globalStep: RequestStep | null;
}

export class RouteMatcher {
  private readonly forwardsOverrides: boolean;
  private readonly keepsEveryId: boolean;
  /** Some route answers preflights. */
  private readonly hasCors: boolean;

  constructor(private readonly parts: RouteMatcherParts) {
    this.forwardsOverrides = parts.hardening.overrideHeaders === 'forward';
    this.keepsEveryId = parts.acceptsRequestIdOf === 'anyone';
    this.hasCors = parts.routes.some((route) => route?.config.filters.cors !== undefined);
  }

  // Hot path: once for every request.
  readHead(exchange: Exchange, requestIds: RequestIdSource): void {
    const { parts } = exchange;
    exchange.method = parts[HEAD_METHOD] ?? '';
    exchange.target = parts[HEAD_TARGET] ?? '';
    exchange.peer = parts[HEAD_PEER] ?? '';
    exchange.scheme = connectionFacts(parts[HEAD_CONNECTION] ?? '').scheme;
    const fields = new RequestFields(parts, this.forwardsOverrides);
    exchange.fields = fields;
    const isKept = this.keepsEveryId || this.keepsIdOf(exchange.peer);
    exchange.requestId = requestIds.keepOrMake(isKept ? fields.requestId : '');
    exchange.clientIp = this.parts.trustedProxies.clientOf(exchange.peer, fields.forwardedFor);
  }

  private keepsIdOf(peer: string): boolean {
    const { acceptsRequestIdOf, trustedProxies } = this.parts;
    return acceptsRequestIdOf === 'trustedProxies' && trustedProxies.includes(peer);
  }

  /** Null: the exchange has its route. */
  match(exchange: Exchange): StepResult {
    const { globalStep, table } = this.parts;
    const denied = globalStep === null ? null : globalStep(exchange);
    if (denied !== null) return denied;
    const { target } = exchange;
    const mark = target.indexOf('?');
    const raw = mark === -1 ? target : target.slice(0, mark);
    const path = normalizePath(raw, this.parts.hardening.pathParameters);
    if (path === '') return AMBIGUOUS_PATH;
    exchange.path = path;
    exchange.query = mark === -1 ? '' : target.slice(mark);
    const found = this.find(exchange, path);
    if (found === ROUTE_NOT_FOUND) return NO_ROUTE;
    if (found === METHOD_NOT_ALLOWED) return this.refuseMethod(path);
    exchange.params = table.params;
    const index = table.versions === null ? found : this.choose(exchange, table.versions);
    if (typeof index !== 'number') return index;
    const route = defined(this.parts.routes[index], 'the route that matched');
    exchange.route = route;
    const { versionPrefix } = route.config;
    if (versionPrefix !== undefined) dropPrefix(exchange, versionPrefix);
    return null;
  }

  private choose(exchange: Exchange, versions: ReadonlyMap<string, number>): number | LocalReply {
    return defined(this.parts.chooseVersion, 'versioning')(exchange, versions);
  }

  /** A preflight goes to the route of the request that it asks for, if that one answers it. */
  private find(exchange: Exchange, path: string): number {
    const { table, routes } = this.parts;
    if (this.hasCors && exchange.method === 'OPTIONS') {
      const requested = requestedMethod(exchange.method, exchange.fields);
      const found = requested === '' ? ROUTE_NOT_FOUND : table.find(requested, path);
      if (routes[found]?.config.filters.cors !== undefined) return found;
    }
    return table.find(exchange.method, path);
  }

  private refuseMethod(path: string): StepResult {
    const allowed = this.parts.table.allowedMethods(path).join(', ');
    const fields = field('Allow', allowed);
    return refusal(PROBLEMS.methodNotAllowed, `This path takes ${allowed}.`, { fields });
  }
}

/** The target gets the path as its route writes it. */
function dropPrefix(exchange: Exchange, prefix: string): void {
  const { path } = exchange;
  if (path === prefix) exchange.path = '/';
  else if (path.startsWith(`${prefix}/`)) exchange.path = path.slice(prefix.length);
}

const AMBIGUOUS_PATH = refusal(
  PROBLEMS.badTarget,
  'The path can be read in more than one way (encoded slash, dot segment or ";").',
);
const NO_ROUTE = refusal(PROBLEMS.routeNotFound, 'No route takes this path.');
