/**
 * The routes of all HTTPRoutes that are attached to Gateways of this controller, and what is said
 * of each object in its status.
 *
 *     classes ─► Gateways ─► listeners ─► HTTPRoutes by age ─► rules as routes ─► their order
 *
 * Thread: any (pure). Invariant: what is wrong with one object changes nothing for the others.
 */
import type { UpstreamConfig } from '../gateway-config.js';
import type {
  CompiledKubernetes,
  ObjectStatus,
  WantedCertificate,
} from '../kubernetes-settings.js';
import {
  classProblem,
  type GatewayListener,
  type GatewayView,
  type ListenerContext,
  ownGatewayClasses,
  readGateways,
} from './gateway-listeners.js';
import {
  byAge,
  type Condition,
  conditionOf,
  type Finding,
  GATEWAY_GROUP,
  generationOf,
  statusOf,
} from './gateway-objects.js';
import { byPrecedence } from './http-route-matches.js';
import { type Attachment, parentsOf, type RouteParent } from './http-route-parents.js';
import { draftsOf, type RuleDraft, type RuleDrafts } from './http-route-rules.js';
import { escapedPath } from './ingress-paths.js';
import type { Made, MadeRoutes } from './ingress-set.js';
import { type KubeJson, placeOf } from './kube-json.js';
import { RouteCrowds } from './route-crowds.js';

export interface GatewaySetContext extends ListenerContext {
  readonly kubernetes: CompiledKubernetes;
}

/** How much of the configuration is left for what is made here. */
export interface GatewayRoom {
  readonly routes: number;
  readonly upstreams: number;
}

export interface MadeGatewayRoutes extends Pick<MadeRoutes, 'routes' | 'upstreams'> {
  readonly certificates: readonly WantedCertificate[];
  readonly statuses: readonly ObjectStatus[];
}

/** Priorities below those of the file, whose routes go before all of these. */
const PRIORITIES = 1000;

/** How an HTTPRoute is called where other kinds may have the same name. */
function routeKey(object: KubeJson): string {
  return `HTTPRoute ${placeOf(object)}`;
}

/** `refused`: HTTPRoutes by their keys, and why they cannot stand beside the rest. */
export function makeGatewayRoutes(
  context: GatewaySetContext,
  room: GatewayRoom,
  refused: ReadonlyMap<string, readonly string[]>,
): MadeGatewayRoutes {
  const gateways = readGateways(context);
  const { controller, publish } = context.settings;
  const all = [...context.objects.routes].sort(byAge);
  const parented = all.map((object) => ({ object, parents: parentsOf(object, gateways) }));
  const offered = parented
    .filter(({ parents }) => parents.length > 0)
    .map(({ object, parents }) => offer(object, parents, context));
  // Where something was said of them before, it goes.
  const others = parented.filter(({ parents }) => parents.length === 0);
  const apart = patternsApart(offered);
  const set = new RouteSet(room);
  for (const one of offered) {
    const reasons = refused.get(routeKey(one.object));
    if (reasons !== undefined)
      set.refuse(one, { reason: 'UnsupportedValue', message: reasons.join('; ') });
    else set.add(one, withPrefixesAlone(one, apart));
  }
  const { routes, upstreams, statuses, attached } = set.made(controller);
  return {
    ...{ routes, upstreams },
    certificates: gateways.flatMap(({ listeners }) => listeners.flatMap((one) => one.certificates)),
    statuses: [
      ...ownGatewayClasses(context.objects, context.settings).map((one) =>
        statusOf('gatewayclasses', one, { controller, status: classStatus(one) }),
      ),
      ...gateways.map((one) => {
        const status = gatewayStatus(one, attached, publish);
        return statusOf('gateways', one.object, { controller, status });
      }),
      ...statuses,
      ...others.map(({ object }) =>
        statusOf('httproutes', object, { controller, status: { parents: [] } }),
      ),
    ],
  };
}

interface OfferedRoute {
  readonly object: KubeJson;
  readonly parents: readonly RouteParent[];
  readonly attachments: readonly Attachment[];
  readonly rules: readonly RuleDrafts[];
}

function offer(
  object: KubeJson,
  parents: readonly RouteParent[],
  { objects, kubernetes, settings }: GatewaySetContext,
): OfferedRoute {
  const attachments = parents.flatMap((one) => one.attachments);
  const backends = { objects, settings: kubernetes, targetsMax: settings.targetsMax };
  return { object, parents, attachments, rules: draftsOf(object, attachments, backends) };
}

/** Of prefixes whose path alone is a place of its own for some rule. */
function patternsApart(offered: readonly OfferedRoute[]): ReadonlySet<string> {
  const drafts = offered.flatMap(({ rules }) => rules.flatMap((one) => one.drafts));
  return new Set(
    drafts
      .filter(({ match: { prefix, pattern } }) => prefix !== null && !pattern.endsWith('/*'))
      .map(({ match }) => match.pattern),
  );
}

/** What is asked for with a prefix is asked for at that place as well: else the first would win. */
function withPrefixesAlone(
  { rules }: OfferedRoute,
  apart: ReadonlySet<string>,
): readonly RuleDraft[] {
  const drafts = rules.flatMap((one) => one.drafts);
  const has = new Set(drafts.map(({ config }) => JSON.stringify(config.match)));
  return drafts.flatMap((draft) => {
    const { prefix, pattern } = draft.match;
    if (prefix === null || !pattern.endsWith('/*')) return [draft];
    const alone = escapedPath(prefix === '' ? '/' : prefix);
    const match = { ...draft.config.match, path: alone };
    if (!apart.has(alone) || has.has(JSON.stringify(match))) return [draft];
    const config = { ...draft.config, name: `${draft.config.name}.alone`, match };
    return [draft, { ...draft, config, match: { ...draft.match, pattern: alone } }];
  });
}

/** What has been taken so far. */
class RouteSet {
  private readonly kept: { readonly draft: RuleDraft; readonly of: string }[] = [];
  private readonly upstreams = new Map<string, { config: UpstreamConfig; of: string[] }>();
  private readonly outcomes: { readonly route: OfferedRoute; readonly refusal: Finding | null }[] =
    [];

  private readonly crowds = new RouteCrowds(PRIORITIES);

  constructor(private readonly room: GatewayRoom) {}

  add(route: OfferedRoute, drafts: readonly RuleDraft[]): void {
    const problem = this.roomProblem(drafts);
    if (problem !== null) {
      this.refuse(route, { reason: 'NoRoom', message: problem });
      return;
    }
    const of = routeKey(route.object);
    for (const draft of drafts) {
      this.kept.push({ draft, of });
      for (const { name, config } of draft.upstreams) {
        const known = this.upstreams.get(name);
        if (known === undefined) this.upstreams.set(name, { config, of: [of] });
        else if (!known.of.includes(of)) known.of.push(of);
      }
    }
    this.outcomes.push({ route, refusal: null });
  }

  refuse(route: OfferedRoute, refusal: Finding): void {
    this.outcomes.push({ route, refusal });
  }

  made(controller: string): Pick<MadeGatewayRoutes, 'routes' | 'statuses'> & {
    readonly upstreams: ReadonlyMap<string, Made<UpstreamConfig>>;
    readonly attached: ReadonlyMap<GatewayListener, number>;
  } {
    const attached = new Map<GatewayListener, number>();
    for (const { route, refusal } of this.outcomes) {
      const listeners = new Set(route.attachments.map(({ listener }) => listener));
      if (problemOf(route, refusal) !== null) continue;
      for (const one of listeners) attached.set(one, (attached.get(one) ?? 0) + 1);
    }
    return {
      routes: inOrder(this.kept),
      upstreams: this.upstreams,
      statuses: this.outcomes.map(({ route, refusal }) => {
        const status = routeStatus(route, refusal, controller);
        return statusOf('httproutes', route.object, { controller, status });
      }),
      attached,
    };
  }

  /** null: there is room for all of it. */
  private roomProblem(drafts: readonly RuleDraft[]): string | null {
    const names = new Set(drafts.flatMap(({ upstreams }) => upstreams.map(({ name }) => name)));
    const more = [...names].filter((name) => !this.upstreams.has(name)).length;
    if (this.upstreams.size + more > this.room.upstreams) {
      return `there is room for ${this.room.upstreams} services: see gatewayApi.maxServices`;
    }
    if (this.kept.length + drafts.length > this.room.routes) {
      return `there is room for ${this.room.routes} routes`;
    }
    if (this.crowds.take(drafts.map(placesOf))) return null;
    return `there is room for ${PRIORITIES} routes with one host and one path`;
  }
}

/**
 * With the priorities that put them into the order of the Gateway API. `kept` is by age, and by the
 * order of rules and matches.
 */
function inOrder(
  kept: readonly { readonly draft: RuleDraft; readonly of: string }[],
): MadeRoutes['routes'] {
  const sorted = [...kept].sort((one, other) => byPrecedence(one.draft.match, other.draft.match));
  const levels = new Map<string, number>();
  return sorted.map(({ draft, of }) => {
    const { config } = draft;
    const places = placesOf(draft);
    const level = Math.min(0, ...places.map((place) => levels.get(place) ?? 0)) - 1;
    for (const place of places) levels.set(place, level);
    return { config: { ...config, match: { ...config.match, priority: level } }, of: [of] };
  });
}

/** Where one route can take requests from another one. */
function placesOf({ config, match, hosts }: RuleDraft): readonly string[] {
  return hosts.map((host) => JSON.stringify([host, match.pattern, config.match.listener]));
}

/** Why the whole route is not accepted; null: it is. */
function problemOf({ rules }: OfferedRoute, refusal: Finding | null): Finding | null {
  if (refusal !== null) return refusal;
  if (rules.some(({ problems }) => problems.length === 0)) return null;
  return { reason: 'UnsupportedValue', message: textOf(rules) };
}

/** Rules are counted from 0, as in the object. */
function textOf(rules: readonly RuleDrafts[]): string {
  return rules
    .flatMap(({ problems }, at) => problems.map((problem) => `rules[${at}]: ${problem}`))
    .join('; ');
}

function routeStatus(
  { object, parents, rules, ...route }: OfferedRoute,
  refusal: Finding | null,
  controller: string,
): KubeJson {
  const generation = generationOf(object);
  const problem = problemOf({ object, parents, rules, ...route }, refusal);
  const unresolved = rules.find((one) => one.unresolved !== null)?.unresolved ?? null;
  const invalid = problem === null ? textOf(rules) : '';
  const partly: Condition = {
    ...{ type: 'PartiallyInvalid', status: 'True', reason: 'UnsupportedValue' },
    ...{ message: `Dropped Rule(s), answered with 500: ${invalid}`.slice(0, 1000) },
    observedGeneration: generation,
  };
  return {
    parents: parents.map(({ ref, accepted }) => ({
      parentRef: ref,
      controllerName: controller,
      conditions: [
        conditionOf('Accepted', accepted ?? problem, { reason: 'Accepted', generation }),
        conditionOf('ResolvedRefs', unresolved, { reason: 'ResolvedRefs', generation }),
        ...(invalid === '' ? [] : [partly]),
      ],
    })),
  };
}

function classStatus(object: KubeJson): KubeJson {
  const generation = generationOf(object);
  const accepted = conditionOf('Accepted', classProblem(object), {
    reason: 'Accepted',
    generation,
  });
  return { conditions: [accepted] };
}

function gatewayStatus(
  { generation, listeners, ...gateway }: GatewayView,
  attached: ReadonlyMap<GatewayListener, number>,
  publish: readonly string[],
): KubeJson {
  const bad = listeners.filter((one) => one.accepted !== null || one.resolved !== null);
  const isNone = !listeners.some((one) => one.accepted === null);
  const names = bad.map(({ name }) => name).join(', ');
  const invalid = { reason: 'ListenersNotValid', message: `see the listeners ${names}` };
  const accepted = gateway.accepted ?? (isNone ? invalid : null);
  const served = listeners.filter((one) => one.isProgrammed);
  const unserved =
    served.length > 0 ? null : { reason: 'Invalid', message: 'no listener is served' };
  const programmed = gateway.programmed ?? unserved;
  const reason = bad.length > 0 ? invalid.reason : 'Accepted';
  return {
    ...(programmed === null && publish.length > 0 && { addresses: publish.map(addressOf) }),
    conditions: [
      conditionOf('Accepted', accepted, { reason, generation }),
      conditionOf('Programmed', programmed, { reason: 'Programmed', generation }),
    ],
    listeners: listeners.map((one) => listenerStatus(one, attached.get(one) ?? 0, generation)),
  };
}

function listenerStatus(
  { name, kinds, accepted, conflicted, resolved, isProgrammed }: GatewayListener,
  attachedRoutes: number,
  generation: number,
): KubeJson {
  const unserved = { reason: 'Invalid', message: 'see the other conditions' };
  const conflict: Condition = {
    ...{ type: 'Conflicted', status: conflicted === null ? 'False' : 'True' },
    ...{ reason: conflicted?.reason ?? 'NoConflicts', message: conflicted?.message ?? '' },
    observedGeneration: generation,
  };
  return {
    name,
    supportedKinds: kinds.map((kind) => ({ group: GATEWAY_GROUP, kind })),
    attachedRoutes,
    conditions: [
      conditionOf('Accepted', accepted, { reason: 'Accepted', generation }),
      conditionOf('Programmed', isProgrammed ? null : unserved, {
        reason: 'Programmed',
        generation,
      }),
      conditionOf('ResolvedRefs', resolved, { reason: 'ResolvedRefs', generation }),
      conflict,
    ],
  };
}

function addressOf(value: string): KubeJson {
  const isAddress = /^[0-9.]+$/.test(value) || value.includes(':');
  return { type: isAddress ? 'IPAddress' : 'Hostname', value };
}
