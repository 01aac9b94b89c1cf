/**
 * Routes as a worker uses them: made once per configuration epoch, so that a route without a
 * feature pays nothing for it.
 *
 * Thread: worker.
 */

import { defined } from '../../base/assert.js';
import type { ErrorPages } from '../../base/error-pages.js';
import { byRow } from '../../base/rows.js';
import { KEY_GRANT_LIMIT_MIN } from '../../channel/coordinator/coordinator-records.js';
import { type RolloutSide, SIDE_NEW, SIDE_OLD } from '../../channel/coordinator/rollout-memory.js';
import type {
  CompiledLimiter,
  CompiledRoute,
  CompiledUpstream,
} from '../../config/compiled-config.js';
import type { FailureKinds } from '../../config/compiled-fallback.js';
import type { CompiledLogBodies } from '../../config/compiled-log-bodies.js';
import type { CompiledMirror } from '../../config/compiled-mirror.js';
import type { CompiledSplit } from '../../config/compiled-split.js';
import type { ServedConfig } from '../../config/shared/shared-config.js';
import type { Authenticator } from '../../filters/authentication/authenticator.js';
import type { CredentialPlace } from '../../filters/authentication/options.js';
import type { Compressions } from '../../filters/compression/compressions.js';
import type { StageSource } from '../../filters/reply-stage.js';
import { stripSentPrefix } from '../../routing/strip-prefix.js';
import { type AnswerPlan, planAnswer } from './answer-plan.js';
import { type Challenges, challengesOf } from './challenges.js';
import { type CostSource, costSourcesOf } from './cost-sources.js';
import { type HiddenCredentials, hiddenCredentials } from './hidden-credentials.js';
import { type PolicyFields, policyFields } from './rate-limit-fields.js';
import { compileRouteFilters, type LoadedFilters, type RouteFilters } from './route-filters.js';
import {
  type PluginInstance,
  type PluginPartsMaker,
  planWithPlugins,
  pluginsOf,
  type RoutePlugins,
} from './route-plugins.js';
import { stagesOf } from './route-stages.js';
import { UpstreamErrorPages } from './upstream-error-pages.js';

const NOTHING: readonly CredentialPlace[] = [];

/** What says that a request is a copy. */
const MIRROR_FIELD = 'x-sluice-mirror';
/** What the gateway reads in replies is not to be compressed. */
const CODING_FIELD = 'accept-encoding';
const CREDENTIAL_FIELDS = ['authorization', 'proxy-authorization', 'cookie'] as const;

/** What the coordinator decides upon in one ask. */
export interface AdmissionPlan {
  /** Every one of them is to have room. */
  readonly limiters: readonly CompiledLimiter[];
  /** null: no target is wanted. */
  readonly upstream: CompiledUpstream | null;
  /** What another plan of the same request wants a target of and nothing else, or null. */
  readonly laterUpstream: CompiledUpstream | null;
  /** It comes before it is known who calls. */
  readonly isFirst: boolean;
  /** There is something to ask for. */
  readonly isNeeded: boolean;
  /** Whether admissions may be had in advance: there are limits, and each is large. */
  readonly mayHoldKeyGrants: boolean;
  /** Whether a refusal may hold for some time: there is one limit, and time alone ends it. */
  readonly mayHoldRefusals: boolean;
}

export interface WorkerRoute {
  readonly config: CompiledRoute;
  readonly answer: AnswerPlan;
  /** null: what answers the route needs no target. */
  readonly upstream: CompiledUpstream | null;
  /** Once it is known who calls, one of them takes the place of this route; null: it has one. */
  readonly sides: RouteSides | null;
  /** Where a request goes that its upstream has failed at; null: nowhere. */
  readonly fallback: FallbackPlan | null;
  /** What its access records show of bodies; null: nothing. */
  readonly shownBodies: CompiledLogBodies | null;
  /** Where its requests are copied to; null: nowhere. */
  readonly mirror: MirrorPlan | null;
  /** What its requests count for where its split is rolled out; null: nothing is counted. */
  readonly measured: MeasuredSide | null;
  readonly authenticators: readonly Authenticator[];
  readonly challenges: Challenges;
  /** Those of the authenticators that judge bodies. */
  readonly bodyJudges: readonly Authenticator[];
  /** All limits, of all plans. */
  readonly limiters: readonly CompiledLimiter[];
  /** Those whose costs replies tell; null: there is none. */
  readonly costSources: readonly CostSource[] | null;
  /** Limits that need not know who calls. Nothing on a route that never knows: one ask will do. */
  readonly firstAdmission: AdmissionPlan;
  /** All other limits for callers that are known, and the target. */
  readonly admission: AdmissionPlan;
  /** The same for anonymous callers. */
  readonly anonymousAdmission: AdmissionPlan;
  /** For a target alone, where a request is asked about only once it needs one. */
  readonly targetAdmission: AdmissionPlan;
  /** The RateLimit-Policy field of replies. */
  readonly policyFields: PolicyFields;
  /** Fields of the request that do not go on: removed ones, and those that are set anew. */
  readonly droppedFields: ReadonlySet<string>;
  /** Names and values in turn, as they are set. */
  readonly setFields: readonly string[];
  readonly filters: RouteFilters;
  /** null: it uses none. */
  readonly plugins: RoutePlugins | null;
  /** null: no cookies and no parts of the query are for the gateway alone. */
  readonly hides: HiddenCredentials | null;
  /** What its replies pass, in order. */
  readonly replyStages: readonly StageSource[];
  /** The gateway itself reads the body before it goes anywhere, and bounds it as it comes. */
  readonly readsBody: boolean;
}

/** Where a request goes that an upstream has failed at. */
export interface FallbackPlan {
  readonly on: FailureKinds;
  /** The place of the upstream among those of the route's `fallback`. */
  readonly position: number;
  readonly name: string;
  /** The same route, with this upstream, and with those after it as fallbacks. */
  readonly route: WorkerRoute;
}

/** Where requests are copied to. */
export interface MirrorPlan {
  readonly rules: CompiledMirror;
  /** The route that copies have. */
  readonly route: WorkerRoute;
}

/** A side of a split that is rolled out. */
export interface MeasuredSide {
  /** Its row. */
  readonly rollout: number;
  readonly side: RolloutSide;
}

/** The sides of a route whose requests are shared among upstreams. */
export interface RouteSides {
  readonly split: CompiledSplit;
  /** In the order of the configuration; each has one upstream, and is the route in all else. */
  readonly routes: readonly WorkerRoute[];
  /** The same for clients that choose their side: what they get is not measured. */
  readonly chosenRoutes: readonly WorkerRoute[];
  /** The route for those whom no upstream gets; null: there are none. */
  readonly refusing: WorkerRoute | null;
}

/** What the routes of a configuration are made with. */
export interface RouteParts {
  readonly config: ServedConfig;
  /** In the order of the configuration. */
  readonly authenticators: readonly Authenticator[];
  readonly filters: LoadedFilters;
  /** In the order of the configuration; empty: nobody calls them. */
  readonly plugins: readonly PluginInstance[];
  /** null: nothing is sent. */
  readonly pluginParts: PluginPartsMaker | null;
  /** null: the configuration has no bodies for refusals. */
  readonly errorPages: ErrorPages | null;
  /** null: nothing is sent. */
  readonly compressions: Compressions | null;
  /** Keeps bodies of replies for access records; null: nothing is sent. */
  readonly bodyRecords: StageSource | null;
}

/**
 * The routes of a configuration, by their places in it. A route is made when the first request
 * comes to it: what a reload costs does not grow with the routes, and what nobody uses takes no
 * memory.
 */
export class WorkerRoutes {
  private readonly made = new Map<number, WorkerRoute>();
  private readonly upstreams: readonly (CompiledUpstream | undefined)[];
  private readonly ownedFields: ReadonlyMap<number, readonly string[]>;
  private readonly hidden: ReadonlyMap<number, readonly CredentialPlace[]>;

  constructor(private readonly parts: RouteParts) {
    const { config, authenticators } = parts;
    this.upstreams = byRow(config.upstreams);
    this.ownedFields = byUpstream(config, authenticators, ({ ownedFields }) => ownedFields);
    this.hidden = byUpstream(config, authenticators, ({ hides = NOTHING }) => hides);
  }

  /** The route at this place, which the configuration has. */
  at(place: number): WorkerRoute {
    const known = this.made.get(place);
    if (known !== undefined) return known;
    const route = this.make(place);
    this.made.set(place, route);
    return route;
  }

  /** Throws where the route at this place cannot be made. */
  prove(place: number): void {
    this.make(place);
  }

  private make(place: number): WorkerRoute {
    const route = defined(this.parts.config.routes.at(place), 'the route at a place');
    const split = route.answer.kind === 'upstream' ? route.answer.split : undefined;
    if (split === undefined) return this.makeOf(route);
    const chosenRoutes = split.sides.map(({ upstreamIndex }) =>
      this.makeOf({ ...route, answer: { kind: 'upstream', upstreamIndex } }),
    );
    const { rollout, refuse } = split;
    const refusing =
      refuse === undefined
        ? null
        : this.makeOf({ ...route, answer: { kind: 'fixed', reply: refuse.reply } });
    const routes = chosenRoutes.map(
      (side, at): WorkerRoute => ({
        ...side,
        measured: rollout === undefined ? null : { rollout, side: at === 0 ? SIDE_OLD : SIDE_NEW },
      }),
    );
    const base = this.makeOf(route);
    // Whose turn it is can be said only once the side is known.
    const firstAdmission = { ...base.firstAdmission, laterUpstream: null };
    return { ...base, firstAdmission, sides: { split, routes, chosenRoutes, refusing } };
  }

  private makeOf(route: CompiledRoute): WorkerRoute {
    const limiters = route.limiterIndexes.map((row) =>
      defined(this.parts.config.limiters.find(row), 'the limiter of a route'),
    );
    const sources = { upstreams: this.upstreams, authenticators: this.parts.authenticators };
    const answer = planAnswer(route.answer, sources, route.cache !== undefined);
    const { pluginParts } = this.parts;
    const upstream = 'upstream' in answer ? answer.upstream : null;
    const plugins = pluginsOf(route.plugins, this.parts.plugins);
    const filters = filtersOf(route, answer, plugins, this.parts.filters);
    // Whoever may go to another upstream asks for a target once its body is here.
    const isLate = answer.kind === 'cached' || route.fallback !== undefined;
    const atOnce = isLate ? null : upstream;
    const configured = route.authenticators.map((index) =>
      defined(this.parts.authenticators[index], 'the authenticator of a route'),
    );
    const ofPlugins = plugins === null ? [] : (pluginParts?.authenticators(plugins) ?? []);
    const authenticators = [...configured, ...ofPlugins];
    const shownBodies = route.logBodies ?? null;
    const readsReplies = limiters.some(({ told }) => told?.kind === 'member');
    return {
      config: route,
      answer,
      upstream,
      sides: null,
      shownBodies,
      measured: null,
      fallback: this.fallbackOf(route),
      mirror: this.mirrorOf(route),
      filters,
      plugins,
      hides: hiddenCredentials([
        ...authenticators.flatMap(({ hides = NOTHING }) => hides),
        ...(upstream === null ? NOTHING : this.hiddenFrom(upstream, route)),
      ]),
      replyStages: stagesOf(filters, {
        bodyRecords: shownBodies?.reply === true ? this.parts.bodyRecords : null,
        pages: this.pagesOf(route),
        plugins: plugins === null ? [] : (pluginParts?.stages(plugins) ?? []),
        compressions: this.parts.compressions,
      }),
      readsBody: filters.requestBody !== null || answer.readsBody,
      authenticators,
      challenges: challengesOf(authenticators),
      bodyJudges: authenticators.filter(({ bodyBytesMax = 0 }) => bodyBytesMax > 0),
      limiters,
      costSources: costSourcesOf(limiters),
      ...admissionsOf(limiters, atOnce, authenticators.length > 0),
      targetAdmission: planOf([], upstream, false),
      policyFields: policyFields(limiters),
      droppedFields: new Set([
        ...route.rewrite.removeHeaders,
        ...route.rewrite.setHeaders.map(([name]) => name),
        ...(upstream === null ? [] : (this.ownedFields.get(upstream.index) ?? [])),
        ...filters.droppedFields,
        ...(readsReplies ? [CODING_FIELD] : []),
      ]),
      setFields: [
        ...route.rewrite.setHeaders.flat(),
        ...(readsReplies ? [CODING_FIELD, 'identity'] : []),
      ],
    };
  }

  /** Credentials are hidden once, for all upstreams that a request may come to. */
  private hiddenFrom({ index }: CompiledUpstream, { fallback }: CompiledRoute): CredentialPlace[] {
    const later = fallback?.upstreams.map(({ upstreamIndex }) => upstreamIndex) ?? [];
    return [index, ...later].flatMap((row) => this.hidden.get(row) ?? NOTHING);
  }

  private fallbackOf({ fallback, ...route }: CompiledRoute, position = 0): FallbackPlan | null {
    const [first, ...rest] = fallback?.upstreams ?? [];
    if (fallback === undefined || first === undefined) return null;
    const { upstreamIndex, name } = first;
    const made = this.makeOf({ ...route, answer: { kind: 'upstream', upstreamIndex } });
    const later = { ...route, fallback: { ...fallback, upstreams: rest } };
    const next = this.fallbackOf(later, position + 1);
    return { on: fallback.on, position, name, route: { ...made, fallback: next } };
  }

  /** Copies have passed all filters of the request. */
  private mirrorOf({
    mirror,
    fallback: _fallback,
    plugins: _plugins,
    ...route
  }: CompiledRoute): MirrorPlan | null {
    if (mirror === undefined) return null;
    const { upstreamIndex, hasCredentials } = mirror;
    const copied = this.makeOf({ ...route, answer: { kind: 'upstream', upstreamIndex } });
    const dropped = [MIRROR_FIELD, ...(hasCredentials ? [] : CREDENTIAL_FIELDS)];
    return {
      rules: mirror,
      route: {
        ...copied,
        droppedFields: new Set([...copied.droppedFields, ...dropped]),
        setFields: [...copied.setFields, MIRROR_FIELD, '1'],
      },
    };
  }

  private pagesOf({ upstreamErrors = [], errors = [] }: CompiledRoute): StageSource | null {
    const { errorPages } = this.parts;
    if (errorPages === null || upstreamErrors.length === 0) return null;
    return new UpstreamErrorPages(errorPages, { statuses: upstreamErrors, ofRoute: errors });
  }
}

/** A request that is answered as it came has no filters that would judge or change it. */
function filtersOf(
  route: CompiledRoute,
  { isEdited }: AnswerPlan,
  plugins: RoutePlugins | null,
  loaded?: LoadedFilters,
): RouteFilters {
  const filters = compileRouteFilters(route, loaded);
  if (!isEdited) return { ...filters, editSteps: [], requestBody: null };
  return { ...filters, requestBody: planWithPlugins(filters.requestBody, plugins) };
}

/**
 * What the authenticators in front of an upstream keep from it: no route to it lets a client set
 * fields that say who calls, nor brings it credentials of others, not even a public one.
 */
function byUpstream<T>(
  { facts }: ServedConfig,
  authenticators: readonly Authenticator[],
  partsOf: (authenticator: Authenticator) => readonly T[],
): ReadonlyMap<number, readonly T[]> {
  return new Map(
    facts.authenticatorsByUpstream.map(([row, indexes]) => [
      row,
      indexes.flatMap((index) => {
        const authenticator = authenticators[index];
        return authenticator === undefined ? [] : partsOf(authenticator);
      }),
    ]),
  );
}

/**
 * A request that is refused because nobody knows its caller has used up the limits that need no
 * caller: so guesses end. Where callers are never looked for, all is decided in one ask.
 */
function admissionsOf(
  limiters: readonly CompiledLimiter[],
  upstream: CompiledUpstream | null,
  identifies: boolean,
): Pick<WorkerRoute, 'firstAdmission' | 'admission' | 'anonymousAdmission'> {
  const first = limiters.filter((limiter) => identifies && !needsCaller(limiter));
  const others = limiters.filter((limiter) => !first.includes(limiter));
  const without = (callers: CompiledLimiter['callers']): readonly CompiledLimiter[] =>
    others.filter((limiter) => limiter.callers !== callers);
  const admission = planOf(without('anonymous'), upstream, false);
  // What has to ask for other limits asks for its target in the same message.
  const usesTurns = admission.limiters.length === 0 || admission.mayHoldKeyGrants;
  const laterUpstream = usesTurns ? upstream : null;
  return {
    firstAdmission: { ...planOf(first, null, true), laterUpstream },
    admission,
    anonymousAdmission: planOf(without('identified'), upstream, false),
  };
}

/** Whether it must be known who calls before it can be said what the limit counts. */
function needsCaller({ keys, callers }: CompiledLimiter): boolean {
  return callers !== undefined || keys.some(({ kind }) => kind === 'consumer');
}

function planOf(
  limiters: readonly CompiledLimiter[],
  upstream: CompiledUpstream | null,
  isFirst: boolean,
): AdmissionPlan {
  return {
    limiters,
    upstream,
    laterUpstream: null,
    isFirst,
    isNeeded: upstream !== null || limiters.length > 0,
    mayHoldKeyGrants: mayHoldKeyGrants(limiters),
    mayHoldRefusals: mayHoldRefusals(limiters),
  };
}

/** One small limit among them, or one that ends of requests give room, is asked each time. */
function mayHoldKeyGrants(limiters: readonly CompiledLimiter[]): boolean {
  const isLarge = ({ algorithm, limit, cost, told }: CompiledLimiter): boolean =>
    algorithm !== 'inFlight' && told === undefined && limit / cost >= KEY_GRANT_LIMIT_MIN;
  return limiters.length > 0 && limiters.every(isLarge);
}

/** One that refuses, and for a reason that only time does away with. */
function mayHoldRefusals([limiter, another]: readonly CompiledLimiter[]): boolean {
  if (limiter === undefined || another !== undefined) return false;
  const isByTime = limiter.algorithm !== 'inFlight' && limiter.told === undefined;
  return isByTime && limiter.mode === 'enforce';
}

/** The upstream of a route that has one: of each that is answered by a target. */
export function upstreamOfRoute(route: WorkerRoute): CompiledUpstream {
  return defined(route.upstream, 'the upstream of a route');
}

/** Its requests are JSON, and calls of gRPC for its targets. */
export function isJsonCall({ config }: Pick<WorkerRoute, 'config'>): boolean {
  return config.filters?.grpcJson !== undefined;
}

/** The query that the upstream gets, if no filter has made another one. */
export function queryForTarget(
  route: Pick<WorkerRoute, 'config'>,
  { query }: { readonly query: string },
): string {
  return isJsonCall(route) ? '' : query;
}

/** The path that the upstream gets, if no filter has made another one. */
export function pathForTarget(
  { config }: Pick<WorkerRoute, 'config'>,
  { path, sentPath }: { readonly path: string; readonly sentPath: string },
): string {
  const json = config.filters?.grpcJson;
  if (json !== undefined) return `/${json.rule.service}/${json.rule.method}`;
  return stripSentPrefix(config.rewrite.stripPrefix, path, sentPath);
}
