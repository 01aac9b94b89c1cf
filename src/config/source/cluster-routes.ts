/**
 * Puts the routes of a cluster's objects beside those of the file, and checks the whole.
 *
 *     routes of all objects ─► check ─► sound: done
 *        ▲                        └─► mistakes in routes of some objects
 *        └── without those objects, or with their versions before ──┘
 *
 * Thread: loader. Invariant: an object that cannot stand beside the file and the others is left
 * out, and never makes the whole fail. Texts of objects are values: no variable in them is
 * replaced.
 */
import { isObject } from '../../base/json-object.js';
import { pointerKeys } from '../../base/json-pointer.js';
import type { CheckContext, Finding } from '../../schema/finding.js';
import { type CheckResult, checkConfig } from '../check/check-config.js';
import { checkShape } from '../check/check-shape.js';
import { compileKubernetes } from '../compile/compile-kubernetes.js';
import type { OwnListener } from '../kubernetes/gateway-listeners.js';
import { type MadeGatewayRoutes, makeGatewayRoutes } from '../kubernetes/gateway-set.js';
import type { IngressContext } from '../kubernetes/ingress-routes.js';
import { type MadeRoutes, makeRoutes, type RoomLeft } from '../kubernetes/ingress-set.js';
import type { ClusterObjects, CompiledKubernetes, IngressReport } from '../kubernetes-settings.js';
import { listenerAddress, listenerName, listenersOf } from '../references/listener-reference.js';

export interface ClusterCheck {
  readonly result: CheckResult;
  /** null: the file asks for nothing of the kind. */
  readonly ingress: IngressReport | null;
}

/** Of a whole configuration, by its schema. */
const ROOM = { routes: 10_000, upstreams: 1024, authenticators: 64 } as const;
const REASONS_MAX = 5;
/** Each round leaves out at least one object; more rounds than this have a reason of ours. */
const ROUNDS_MAX = 50;

/** Stands in a file that has nothing of its own while there are no objects. */
const NOTHING = 'sluice-nothing';

/** Checks `value`, with the routes of these objects in it where it has `kubernetes`. */
export function checkWithCluster(
  value: unknown,
  objects: ClusterObjects,
  context: CheckContext,
): ClusterCheck {
  if (!isObject(value) || value['kubernetes'] === undefined) {
    return { result: checkConfig(value, context), ingress: null };
  }
  const made = contextOf(value, objects, context);
  const file = new FileParts(value, made.settings);
  const current = new Map<string, readonly string[]>();
  const both = new Set<string>();
  for (let round = 0; ; round += 1) {
    const ofIngresses = makeRoutes(objects, made, { room: file.room, refusals: { current, both } });
    const ofGateways = gatewayRoutes(objects, made, {
      room: file.roomBeside(ofIngresses),
      current,
    });
    const routes = joined(ofIngresses, ofGateways);
    file.putWith(routes);
    const result = checkConfig(value, context);
    const blamed = result.isValid ? new Map() : file.blame(result.findings, routes);
    if (blamed.size === 0 || round === ROUNDS_MAX) {
      const { statuses, certificates } = ofGateways;
      const shown = [...ofIngresses.certificates, ...certificates];
      return { result, ingress: { objects: routes.objects, certificates: shown, statuses } };
    }
    for (const [place, reasons] of blamed) {
      if (current.has(place)) both.add(place);
      else current.set(place, reasons);
    }
  }
}

const NO_ROUTES: MadeGatewayRoutes = {
  ...{ routes: [], upstreams: new Map(), certificates: [], statuses: [] },
};

/** Those of the Gateway API, where it is read and known. */
function gatewayRoutes(
  { gateway: objects }: ClusterObjects,
  { settings, own }: ClusterContext,
  {
    room,
    current,
  }: { readonly room: RoomLeft; readonly current: ReadonlyMap<string, readonly string[]> },
): MadeGatewayRoutes {
  const { gatewayApi } = settings;
  if (gatewayApi === null || objects === undefined) return NO_ROUTES;
  const context = { objects, settings: gatewayApi, own, kubernetes: settings };
  return makeGatewayRoutes(context, room, current);
}

/** The same upstream may be of both. */
function joined(made: MadeRoutes, { routes, upstreams }: MadeGatewayRoutes): MadeRoutes {
  const all = new Map(made.upstreams);
  for (const [name, { config, of }] of upstreams) {
    all.set(name, { config, of: [...(all.get(name)?.of ?? []), ...of] });
  }
  return { ...made, routes: [...made.routes, ...routes], upstreams: all };
}

interface ClusterContext extends IngressContext {
  readonly own: readonly OwnListener[];
}

function contextOf(value: unknown, objects: ClusterObjects, context: CheckContext): ClusterContext {
  const { sound } = checkShape(value, context);
  const listeners = listenersOf(sound.listen).filter((one) => one !== undefined);
  const namesOf = (isSecure: boolean) =>
    listeners.filter(({ tls }) => (tls !== undefined) === isSecure).map(listenerName);
  const settings = compileKubernetes(sound.kubernetes ?? {});
  if (settings === null) throw new Error('the settings of the cluster are there');
  const users = new Map(objects.secrets.map((one) => [`${one.namespace}/${one.name}`, one]));
  return {
    settings,
    listeners: { plain: namesOf(false), secure: namesOf(true) },
    own: listeners.map((one) => {
      const address = listenerAddress(one);
      const port = address.kind === 'tcp' ? address.port : 0;
      return { name: listenerName(one), port, isSecure: one.tls !== undefined };
    }),
    usersOf: (namespace, name) => users.get(`${namespace}/${name}`) ?? null,
  };
}

/** What the file itself has, beside which the rest is put. */
class FileParts {
  private readonly routes: readonly unknown[];
  private readonly upstreams: Readonly<Record<string, unknown>>;
  private readonly authenticators: Readonly<Record<string, unknown>>;
  /** What the file has is something else, which the check tells. */
  private readonly isOdd: boolean;
  readonly room: RoomLeft;

  constructor(
    private readonly value: Record<string, unknown>,
    private readonly settings: CompiledKubernetes,
  ) {
    const { routes = [], upstreams = {}, authenticators = {} } = value;
    this.isOdd = !Array.isArray(routes) || !isObject(upstreams) || !isObject(authenticators);
    this.routes = Array.isArray(routes) ? routes : [];
    this.upstreams = isObject(upstreams) ? upstreams : {};
    this.authenticators = isObject(authenticators) ? authenticators : {};
    const own = Object.keys(this.upstreams).length;
    this.room = {
      routes: ROOM.routes - this.routes.length - 1,
      upstreams: Math.min(settings.ingress.servicesMax, ROOM.upstreams - own - 1),
      authenticators: ROOM.authenticators - Object.keys(this.authenticators).length,
    };
  }

  /** What is left for the Gateway API. */
  roomBeside({ routes, upstreams }: MadeRoutes): RoomLeft {
    const own = Object.keys(this.upstreams).length;
    const left = ROOM.upstreams - own - 1 - upstreams.size;
    return {
      routes: this.room.routes - routes.length,
      upstreams: Math.min(this.settings.gatewayApi?.servicesMax ?? 0, left),
      authenticators: 0,
    };
  }

  putWith({ routes, upstreams, authenticators }: MadeRoutes): void {
    if (this.isOdd) return;
    const { value } = this;
    const made = [...this.routes, ...routes.map(({ config }) => config)];
    value['routes'] = made.length > 0 ? made : [NO_ROUTE];
    const services = { ...this.upstreams, ...configsOf(upstreams) };
    value['upstreams'] =
      Object.keys(services).length > 0 ? services : { [NOTHING]: { targets: [NO_TARGET] } };
    const found = configsOf(authenticators);
    if (Object.keys(found).length === 0 && Object.keys(this.authenticators).length === 0) {
      delete value['authenticators'];
    } else value['authenticators'] = { ...this.authenticators, ...found };
  }

  /** The objects that have to go, and why; those to which nothing points are not touched. */
  blame(findings: readonly Finding[], made: MadeRoutes): Map<string, string[]> {
    const blamed = new Map<string, string[]>();
    if (this.isOdd) return blamed;
    for (const { pointer, message } of findings) {
      const [kind = '', name = '', ...rest] = pointerKeys(pointer);
      for (const place of this.ownersOf(kind, name, made)) {
        const reasons = blamed.get(place) ?? [];
        if (reasons.length < REASONS_MAX) reasons.push(`${[kind, ...rest].join('.')}: ${message}`);
        blamed.set(place, reasons);
      }
    }
    return blamed;
  }

  private ownersOf(kind: string, name: string, made: MadeRoutes): readonly string[] {
    if (kind === 'routes') {
      const last = made.routes[Number(name) - this.routes.length]?.of.at(-1);
      return last === undefined ? [] : [last];
    }
    if (kind === 'upstreams' && !Object.hasOwn(this.upstreams, name)) {
      return made.upstreams.get(name)?.of ?? [];
    }
    if (kind !== 'authenticators' || Object.hasOwn(this.authenticators, name)) return [];
    return made.authenticators.get(name)?.of ?? [];
  }
}

const NO_ROUTE = { name: NOTHING, match: { path: '/sluice-nothing' }, respond: { status: 404 } };
const NO_TARGET = { url: 'http://127.0.0.1:9' };

function configsOf<T>(
  parts: ReadonlyMap<string, { readonly config: T }>,
): Readonly<Record<string, T>> {
  return Object.fromEntries([...parts].map(([name, { config }]) => [name, config]));
}
