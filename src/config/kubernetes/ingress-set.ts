/**
 * The routes of all Ingress objects of this controller.
 *
 *     objects by age ─► each by itself: its form, its annotations, its routes
 *                   ─► together: a host and path belong to the older object, canaries join theirs
 *
 * Thread: any (pure). Invariant: what is wrong with one object changes nothing for the others.
 */
import type { AuthenticatorConfig, RouteConfig, UpstreamConfig } from '../gateway-config.js';
import type {
  ClusterObjects,
  IngressOutcome,
  OfferedIngress,
  WantedCertificate,
} from '../kubernetes-settings.js';
import { type IngressOptions, readAnnotations } from './ingress-annotations.js';
import { joinCanary, type PlacedRoute } from './ingress-canary.js';
import {
  type IngressObject,
  isOwnIngress,
  ownClasses,
  readIngress,
  secretsNamed,
} from './ingress-object.js';
import { draftRoutes, type IngressContext, type RouteDraft } from './ingress-routes.js';
import { type KubeJson, placeOf, recordAt, textAt } from './kube-json.js';

/** How much of the configuration is left for what is made here. */
export interface RoomLeft {
  readonly routes: number;
  readonly upstreams: number;
  readonly authenticators: number;
}

/** Objects that were refused as they are, by `NAMESPACE/NAME`: whose version before is tried. */
export interface Refusals {
  readonly current: ReadonlyMap<string, readonly string[]>;
  /** The version before is of no use either. */
  readonly both: ReadonlySet<string>;
}

export interface MadeRoutes {
  /** With the objects that each is of; who stands last is to blame. */
  readonly routes: readonly { readonly config: RouteConfig; readonly of: readonly string[] }[];
  readonly upstreams: ReadonlyMap<string, Made<UpstreamConfig>>;
  readonly authenticators: ReadonlyMap<string, Made<AuthenticatorConfig>>;
  readonly objects: readonly IngressOutcome[];
  readonly certificates: readonly WantedCertificate[];
}

export interface Made<T> {
  readonly config: T;
  readonly of: readonly string[];
}

/** One version of an object that is sound by itself. */
interface Prepared {
  readonly place: string;
  readonly raw: KubeJson;
  readonly object: IngressObject;
  readonly options: IngressOptions;
  readonly drafts: ReturnType<typeof draftRoutes>;
  /** Of the version that is refused; empty: this is the current one. */
  readonly reasons: readonly string[];
}

const NOTES_MAX = 20;

export function makeRoutes(
  objects: ClusterObjects,
  context: IngressContext,
  { room, refusals }: { readonly room: RoomLeft; readonly refusals: Refusals },
): MadeRoutes {
  const { className } = context.settings.ingress;
  const own = ownClasses(objects.classes, context.settings.ingress);
  const offered = objects.ingresses
    .filter(({ object }) => isOwnIngress(object, own, className))
    .sort(byAge);
  const set = new IngressSet(room);
  const prepared = offered.map((one) => prepare(one, context, refusals));
  // Canaries need what they belong to.
  for (const one of prepared) if (isSound(one) && one.options.canary === null) set.add(one);
  for (const one of prepared) if (isSound(one) && one.options.canary !== null) set.addCanary(one);
  for (const one of prepared) if (!isSound(one)) set.refuse(one.raw, one.reasons);
  return set.made(offered.map(({ object }) => placeOf(object)));
}

/** Names of secrets that objects of this controller name: `NAMESPACE/NAME`. */
export function secretsOf(
  objects: readonly KubeJson[],
  classes: readonly KubeJson[] | null,
  ingress: IngressContext['settings']['ingress'],
): string[] {
  const own = ownClasses(classes, ingress);
  const named = objects
    .filter((one) => isOwnIngress(one, own, ingress.className))
    .flatMap((one) => {
      const namespace = textAt(recordAt(one, 'metadata'), 'namespace');
      return secretsNamed(one).map((name) => `${namespace}/${name}`);
    });
  return [...new Set(named)].sort();
}

function byAge(one: OfferedIngress, other: OfferedIngress): number {
  const [left, right] = [ageKey(one.object), ageKey(other.object)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function ageKey(object: KubeJson): string {
  return `${textAt(recordAt(object, 'metadata'), 'creationTimestamp')} ${placeOf(object)}`;
}

type Unsound = { readonly raw: KubeJson; readonly reasons: readonly string[] };

function isSound(one: Prepared | Unsound): one is Prepared {
  return 'drafts' in one;
}

function prepare(
  { object, before }: OfferedIngress,
  context: IngressContext,
  refusals: Refusals,
): Prepared | Unsound {
  const place = placeOf(object);
  const known = refusals.current.get(place);
  const current = known === undefined ? prepareOne(object, context, []) : null;
  if (current !== null && isSound(current)) return current;
  const reasons = current === null ? (known ?? []) : current.reasons;
  if (before === null || refusals.both.has(place)) return { raw: object, reasons };
  const older = prepareOne(before, context, reasons);
  return isSound(older) ? { ...older, raw: object } : { raw: object, reasons };
}

function prepareOne(
  raw: KubeJson,
  context: IngressContext,
  reasons: readonly string[],
): Prepared | Unsound {
  const problems: string[] = [];
  const say = (problem: string): void => void problems.push(problem);
  const object = readIngress(raw, say);
  const options = readAnnotations(object.annotations, say);
  if (problems.length > 0) return { raw, reasons: [...new Set(problems)] };
  const drafts = draftRoutes(object, options, context, say);
  if (problems.length > 0) return { raw, reasons: [...new Set(problems)] };
  return { place: placeOf(raw), raw, object, options, drafts, reasons };
}

/** What has been taken so far. */
class IngressSet {
  private readonly routes: PlacedRoute[] = [];
  private readonly byPlace = new Map<string, PlacedRoute[]>();
  private readonly owners = new Map<string, string>();
  private readonly upstreams = new Map<string, { config: UpstreamConfig; of: string[] }>();
  private readonly authenticators = new Map<
    string,
    { config: AuthenticatorConfig; of: string[] }
  >();
  private readonly outcomes = new Map<string, IngressOutcome>();
  private readonly certificates: WantedCertificate[] = [];

  constructor(private readonly room: RoomLeft) {}

  add(one: Prepared): void {
    const { place: owner, drafts } = one;
    const notes = [...drafts.notes];
    const taken = new Map<string, string>();
    const free = drafts.routes.filter(({ place }) => {
      const other = this.owners.get(place) ?? owner;
      if (other !== owner) taken.set(place, `${place} belongs to ${other}, which is older`);
      return other === owner;
    });
    notes.push(...taken.values());
    if (free.length === 0) {
      this.refuse(one.raw, notes);
      return;
    }
    const problem = this.roomProblem(one, free);
    if (problem !== null) {
      this.refuse(one.raw, [problem]);
      return;
    }
    for (const draft of free) this.addRoute(owner, draft);
    this.keepParts(one, free);
    this.accept(one, notes, free.length);
  }

  /** It changes where the routes of another object lead to. */
  addCanary(one: Prepared): void {
    const { place: owner, drafts, options } = one;
    const { canary } = options;
    if (canary === null) return;
    const problem = this.roomProblem(one, drafts.routes);
    if (problem !== null) {
      this.refuse(one.raw, [problem]);
      return;
    }
    const notes = [...drafts.notes];
    let count = 0;
    for (const { place, upstream } of drafts.routes) {
      if (upstream === null) continue;
      const joined = joinCanary(this.byPlace.get(place) ?? [], { canary, upstream, owner });
      if (joined.problem !== '') notes.push(`${place}: ${joined.problem}`);
      else count += 1;
      this.routes.push(...joined.added);
    }
    if (count === 0) {
      const nothing = drafts.routes.length === 0 ? ['it has no paths'] : notes;
      this.refuse(one.raw, nothing);
      return;
    }
    this.keepParts(one, drafts.routes);
    this.accept(one, notes, count);
  }

  refuse(raw: KubeJson, reasons: readonly string[]): void {
    const outcome = { ...outcomeOf(raw), state: 'refused', reasons, notes: [], routes: 0 } as const;
    this.outcomes.set(placeOf(raw), outcome);
  }

  made(order: readonly string[]): MadeRoutes {
    return {
      routes: this.routes,
      upstreams: this.upstreams,
      authenticators: this.authenticators,
      objects: order.flatMap((place) => this.outcomes.get(place) ?? []),
      certificates: this.certificates,
    };
  }

  private accept({ raw, reasons, object }: Prepared, notes: string[], routes: number): void {
    const state = reasons.length === 0 ? 'used' : 'before';
    const told = notes.slice(0, NOTES_MAX);
    this.outcomes.set(placeOf(raw), { ...outcomeOf(raw), state, reasons, notes: told, routes });
    for (const { secret, hosts } of object.tls) {
      if (secret === '') continue;
      this.certificates.push({ namespace: object.namespace, secret, hosts: hosts.filter(Boolean) });
    }
  }

  private addRoute(owner: string, { place, config }: RouteDraft): void {
    const route: PlacedRoute = { place, config, of: [owner] };
    this.owners.set(place, owner);
    this.byPlace.set(place, [...(this.byPlace.get(place) ?? []), route]);
    this.routes.push(route);
  }

  private keepParts({ place: owner, drafts }: Prepared, routes: readonly RouteDraft[]): void {
    const { authenticator } = drafts;
    if (authenticator !== null) {
      const known = this.authenticators.get(authenticator.name);
      if (known !== undefined) known.of.push(owner);
      else this.authenticators.set(authenticator.name, { ...authenticator, of: [owner] });
    }
    for (const { upstream } of routes) {
      if (upstream === null) continue;
      const known = this.upstreams.get(upstream.name);
      if (known === undefined) this.upstreams.set(upstream.name, { ...upstream, of: [owner] });
      else if (!known.of.includes(owner)) known.of.push(owner);
    }
  }

  /** null: there is room for all of it. */
  private roomProblem({ drafts }: Prepared, routes: readonly RouteDraft[]): string | null {
    const names = new Set(routes.flatMap(({ upstream }) => upstream?.name ?? []));
    const more = [...names].filter((name) => !this.upstreams.has(name)).length;
    if (this.upstreams.size + more > this.room.upstreams) {
      return `there is room for ${this.room.upstreams} services: see ingress.maxServices`;
    }
    // A canary may need three for each path.
    if (this.routes.length + 3 * routes.length > this.room.routes) {
      return `there is room for ${this.room.routes} routes`;
    }
    const { authenticator } = drafts;
    const isNew = authenticator !== null && !this.authenticators.has(authenticator.name);
    if (isNew && this.authenticators.size >= this.room.authenticators) {
      return `there is room for ${this.room.authenticators} kinds of authentication`;
    }
    return null;
  }
}

function outcomeOf(raw: KubeJson): Pick<IngressOutcome, 'namespace' | 'name' | 'uid'> {
  const metadata = recordAt(raw, 'metadata');
  return {
    namespace: textAt(metadata, 'namespace'),
    name: textAt(metadata, 'name'),
    uid: textAt(metadata, 'uid'),
  };
}
