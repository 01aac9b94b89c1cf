/**
 * Reads the head of a request and finds its route.
 *
 * Thread: worker. The path that is routed is the path that the target gets: one spelling for both.
 */
import { defined } from '../../base/assert.js';
import { field, joinFields } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import type { RequestIdSource } from '../../base/request-id.js';
import { HEAD_PEER } from '../../channel/records/request-head.js';
import type { GatewaySettings } from '../../config/compiled-config.js';
import type { CompiledCors } from '../../filters/cors/options.js';
import { preflightStep, requestedMethod } from '../../filters/cors/preflight.js';
import { type CorsOfRefusals, corsOfRefusals } from '../../filters/cors/refusals.js';
import type { RequestStep, StepResult } from '../../filters/filter.js';
import { type LocalReply, plainReply, refusal } from '../../filters/local-reply.js';
import type { VersionChooser } from '../../filters/versioning/version-choice.js';
import { hasOtherReadings, normalizePath, sentSpelling } from '../../routing/normalize-path.js';
import { METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND, type RouteTable } from '../../routing/route-table.js';
import type { Exchange, RequestRecord } from '../exchange/exchange.js';
import type { KnownHead } from '../exchange/known-heads.js';
import { RequestFields } from '../exchange/request-fields.js';
import { RequestHead } from '../exchange/request-head.js';
import type { WorkerRoutes } from '../route/worker-route.js';

import type { LoopGuard } from './loop-guard.js';
import { PathReadings } from './path-readings.js';
import type { RequestListener, RequestListeners } from './request-listeners.js';
import { RoutedView } from './routed-view.js';
import { traceReply } from './trace-reply.js';

export interface RouteMatcherParts {
  readonly table: RouteTable;
  readonly routes: WorkerRoutes;
  /** Some route answers preflights. */
  readonly hasCors: boolean;
  /** What refusals of requests that no route takes go by; null: no page may read them. */
  readonly cors: CompiledCors | null;
  readonly listeners: RequestListeners;
  readonly loops: LoopGuard;
  readonly hardening: GatewaySettings['hardening'];
  readonly paths: GatewaySettings['paths'];
  readonly acceptsRequestIdOf: GatewaySettings['acceptsRequestIdOf'];
  /** null: no route has a version. */
  readonly chooseVersion: VersionChooser | null;
  /** Steps that run for every request, whether or not a route takes it. */
  readonly globalSteps: readonly RequestStep[];
}

/** A request whose head is to be read. */
type HeadRecord = Pick<RequestRecord, 'protocol' | 'listener' | 'parts' | 'known'>;

/** A longer number would not come back as it was; such a field goes on as it came. */
const FORWARDS_TEXT = /^\d{1,15}$/;

export class RouteMatcher {
  private readonly forwardsOverrides: boolean;
  private readonly keepsEveryId: boolean;
  private readonly readings: PathReadings;
  private readonly view = new RoutedView();

  constructor(private readonly parts: RouteMatcherParts) {
    this.forwardsOverrides = parts.hardening.overrideHeaders === 'forward';
    this.readings = new PathReadings(parts.routes, parts.paths, parts.hardening.pathParameters);
    this.keepsEveryId = parts.acceptsRequestIdOf === 'anyone';
  }

  // Hot path (bench/gateway/plain-get): once for every request.
  readHead(record: HeadRecord, requestIds: RequestIdSource): RequestHead {
    const { parts, known = null } = record;
    if (known !== null && known.routed?.matcher === this) {
      return known.routed.head.again(requestIds.keepOrMake(known.routed.keptId));
    }
    const peer = parts[HEAD_PEER] ?? '';
    const fields = new RequestFields(parts, this.forwardsOverrides);
    const listener = this.parts.listeners.at(record.listener);
    const requestId = requestIds.keepOrMake(this.keptIdOf(fields, peer, listener));
    const clientIp = listener.proxies.clientAddress(peer, fields);
    const head = new RequestHead(record, fields, requestId, clientIp);
    head.onListener(listener);
    if (fields.tellsScheme) head.onClientScheme(listener.proxies.clientScheme(head));
    return head;
  }

  /** What the client calls the request, where it may; else ''. */
  private keptIdOf(fields: RequestFields, peer: string, { proxies }: RequestListener): string {
    if (this.keepsEveryId) return fields.requestId;
    const { acceptsRequestIdOf } = this.parts;
    const mayChoose =
      acceptsRequestIdOf === 'trustedProxies' && proxies.trustedProxies.includes(peer);
    return mayChoose ? fields.requestId : '';
  }

  /** null: the exchange has its route. */
  match(exchange: Exchange): StepResult {
    const { known } = exchange;
    if (known !== null && known.routed?.matcher === this) {
      exchange.route = known.routed.route;
      return null;
    }
    const refused = this.route(exchange);
    if (refused === null && known !== null) this.keepRouted(exchange, known);
    return refused;
  }

  /** The route of a head is the same each time, where no other step looks at the request before. */
  private keepRouted({ head, route }: Exchange, known: KnownHead): void {
    if (route === null || this.parts.globalSteps.length > 0) return;
    const keptId = this.keptIdOf(head.fields, head.peer, this.parts.listeners.at(known.listener));
    known.routed = { matcher: this, head: head.again(''), keptId, route };
  }

  private route(exchange: Exchange): StepResult {
    const { globalSteps, table, cors, loops } = this.parts;
    const looping = loops.enter(exchange.head.fields);
    if (looping !== null) return readable(looping, exchange, cors);
    for (const step of globalSteps) {
      const denied = step(exchange);
      if (denied !== null) return readable(denied, exchange, cors);
    }
    const { head } = exchange;
    const { target } = head;
    const mark = target.indexOf('?');
    const raw = mark === -1 ? target : target.slice(0, mark);
    const path = this.readPath(exchange, raw, mark === -1 ? '' : target.slice(mark));
    if (path === '') return readable(AMBIGUOUS_PATH, exchange, cors);
    const found = this.find(exchange, path);
    if (found === ROUTE_NOT_FOUND) return refuse(NO_ROUTE, exchange, cors);
    if (found === METHOD_NOT_ALLOWED) return this.refuseMethod(exchange, path);
    head.onMatch(table.params);
    const index = table.versions === null ? found : this.choose(exchange, table.versions);
    if (typeof index !== 'number') return readable(index, exchange, this.corsAt(found));
    const route = this.parts.routes.at(index);
    exchange.route = route;
    const { versionPrefix, paths = this.parts.paths } = route.config;
    if (paths.merge) head.mergeSlashes();
    if (versionPrefix !== undefined) head.dropPrefix(versionPrefix);
    const { method } = head;
    if (method !== 'OPTIONS' && method !== 'TRACE') return null;
    return this.countForwards(exchange, path);
  }

  /** The path by which the request is routed; '': it is refused. */
  private readPath(exchange: Exchange, raw: string, query: string): string {
    const { head } = exchange;
    const normal = normalizePath(raw, this.parts.hardening.pathParameters);
    if (!hasOtherReadings(normal)) {
      if (normal !== '') head.onPath(normal, query, sentSpelling(raw, normal));
      return normal;
    }
    const path = this.readings.read(normal, (one) => {
      const place = this.find(exchange, one);
      // The table knows versions of a route that it has found.
      return { place, isVersioned: place >= 0 && this.parts.table.versions !== null };
    });
    if (path !== '') head.onPath(path, query, path === normal ? sentSpelling(raw, normal) : path);
    return path;
  }

  /** Whoever gets `Max-Forwards: 0` answers in the target's place (RFC 9110 7.6.2). */
  private countForwards({ head }: Exchange, path: string): StepResult {
    const text = head.fields.value('max-forwards');
    if (!FORWARDS_TEXT.test(text)) return null;
    const left = Number(text);
    if (left > 0) {
      head.fields.replacePlain('max-forwards', String(left - 1));
      return null;
    }
    if (head.method === 'TRACE') return traceReply(head);
    const methods = this.parts.table.allowedMethods(path, this.view.of(head));
    return plainReply(204, field('Allow', methods.join(', ')));
  }

  private choose(exchange: Exchange, versions: ReadonlyMap<string, number>): number | LocalReply {
    return defined(this.parts.chooseVersion, 'versioning')(exchange, versions);
  }

  /**
   * A preflight goes to the route of the request that it announces, if that route answers
   * preflights.
   */
  private find(exchange: Exchange, path: string): number {
    const { table, routes, hasCors } = this.parts;
    const { method, fields } = exchange.head;
    const routed = this.view.of(exchange.head);
    if (hasCors && method === 'OPTIONS') {
      const requested = requestedMethod(method, fields);
      const found = requested === '' ? ROUTE_NOT_FOUND : table.find(requested, path, routed);
      if (found >= 0 && routes.at(found).config.filters.cors !== undefined) return found;
    }
    return table.find(method, path, routed);
  }

  private refuseMethod(exchange: Exchange, path: string): LocalReply {
    const { table } = this.parts;
    const routed = this.view.of(exchange.head);
    const methods = table.allowedMethods(path, routed);
    const fields = field('Allow', methods.join(', '));
    const detail = `This path takes ${methods.join(', ')}.`;
    const reply = refusal(PROBLEMS.methodNotAllowed, detail, { fields });
    return readable(reply, exchange, this.corsAt(table.find(methods[0] ?? '', path, routed)));
  }

  /** What the route at this place says to pages. */
  private corsAt(place: number): CompiledCors | null {
    const { routes, hasCors, cors } = this.parts;
    if (!hasCors || place < 0) return cors;
    return routes.at(place).config.filters.cors ?? null;
  }
}

interface CorsSteps {
  readonly preflight: RequestStep;
  readonly told: CorsOfRefusals;
}

/** Made once for each configuration of CORS: a list of origins may be long. */
const knownSteps = new WeakMap<CompiledCors, CorsSteps>();

function stepsOf(cors: CompiledCors): CorsSteps {
  let steps = knownSteps.get(cors);
  if (steps === undefined) {
    steps = { preflight: preflightStep(cors), told: corsOfRefusals(cors) };
    knownSteps.set(cors, steps);
  }
  return steps;
}

/**
 * Refuses a request that no route takes. A preflight gets its answer all the same where pages may
 * read refusals: without it a browser does not send the request that is to be refused.
 */
function refuse(reply: LocalReply, exchange: Exchange, cors: CompiledCors | null): LocalReply {
  const preflight = cors === null ? null : stepsOf(cors).preflight(exchange);
  return readable(preflight ?? reply, exchange, cors);
}

/** The same refusal, so that the page that asked can read it where `cors` lets it. */
function readable(reply: LocalReply, { fields }: Exchange, cors: CompiledCors | null): LocalReply {
  if (cors === null) return reply;
  const told = stepsOf(cors).told(fields.value('origin'));
  return { ...reply, fields: joinFields(reply.fields, told) };
}

const AMBIGUOUS_PATH = refusal(
  PROBLEMS.badTarget,
  'The path can be read in more than one way (encoded slash, dot segment or ";"); see ' +
    '`paths` and `hardening`.',
);
const NO_ROUTE = refusal(PROBLEMS.routeNotFound, 'No route takes this path.');
