/**
 * Watches what routes are made of: Ingress and IngressClass, the kinds of the Gateway API, and the
 * secrets that they name.
 *
 * Thread: supervisor (on the main thread). Owns a collection for each kind and namespace, and one
 * for each secret: whoever may read all secrets of a cluster may do everything in it.
 *
 * Invariant: a kind that cannot be read is told, and changes nothing of what the others say.
 */
import { gatewaySecrets } from '../../config/kubernetes/gateway-listeners.js';
import { secretsOf } from '../../config/kubernetes/ingress-set.js';
import type { KubeJson } from '../../config/kubernetes/kube-json.js';
import type { CompiledKubernetes } from '../../config/kubernetes-settings.js';
import {
  gatewayObjectsOf,
  MAIN_KINDS,
  pathsOfGatewayApi,
  type WatchedGateways,
} from './gateway-kinds.js';
import { WatchedKinds, type WatchParts } from './watched-kinds.js';

/** Of one secret; null: it is not there, or not known yet. */
export interface WatchedSecret {
  readonly object: KubeJson | null;
  /** It was read, or could not be. */
  readonly isSettled: boolean;
}

/** Beyond that certificates of objects are not read. */
const SECRETS_MAX = 2000;
const INGRESSES = 'ingresses';
const CLASSES = 'ingressclasses';
const NETWORKING = '/apis/networking.k8s.io/v1';
const NONE: ReadonlyMap<string, KubeJson> = new Map();

export class ClusterWatch {
  private readonly kinds: WatchedKinds;
  private readonly secrets: WatchedKinds;
  private isStopped = false;

  /** `onChange`: something may be otherwise than before. */
  constructor(
    private readonly settings: CompiledKubernetes,
    parts: WatchParts,
    private readonly onChange: () => void,
  ) {
    const changed = (): void => this.changed();
    this.kinds = new WatchedKinds(parts, changed);
    this.secrets = new WatchedKinds(parts, changed);
  }

  start(): void {
    const { namespaces, hasIngress, gatewayApi } = this.settings;
    const folders = namespaces.map((name) => `/namespaces/${encodeURIComponent(name)}`);
    const places = folders.length === 0 ? [''] : folders;
    if (hasIngress) {
      this.kinds.start(
        INGRESSES,
        places.map((folder) => `${NETWORKING}${folder}/${INGRESSES}`),
      );
      this.kinds.start(CLASSES, [`${NETWORKING}/${CLASSES}`]);
    }
    if (gatewayApi === null) return;
    for (const [kind, paths] of pathsOfGatewayApi(places)) this.kinds.start(kind, paths);
  }

  stop(): void {
    this.isStopped = true;
    this.kinds.stop();
    this.secrets.stop();
  }

  /** The objects that routes are made of were read, as far as the cluster has them. */
  get isKnown(): boolean {
    return this.settings.hasIngress ? this.ingresses !== null : this.gateways !== null;
  }

  /** null: not all of them were ever read. */
  get ingresses(): ReadonlyMap<string, KubeJson> | null {
    return this.settings.hasIngress ? this.kinds.objectsOf(INGRESSES) : NONE;
  }

  /** null: they cannot be read. */
  get classes(): readonly KubeJson[] | null {
    const objects = this.kinds.objectsOf(CLASSES);
    return objects === null ? null : [...objects.values()];
  }

  /** null: they are not wanted, or not all of them were ever read. */
  get gateways(): WatchedGateways | null {
    const isRead = MAIN_KINDS.every(
      (kind) => this.kinds.objectsOf(kind) !== null || this.kinds.isAbsent(kind),
    );
    if (this.settings.gatewayApi === null || !isRead) return null;
    return gatewayObjectsOf((kind) => this.kinds.objectsOf(kind));
  }

  /** It is wanted, and the cluster does not have it. */
  get lacksGatewayApi(): boolean {
    const isWanted = this.settings.gatewayApi !== null;
    return isWanted && MAIN_KINDS.every((kind) => this.kinds.isAbsent(kind));
  }

  /** An object of the Gateway API as the cluster has it now. */
  objectAt(kind: string, place: string): KubeJson | undefined {
    return this.kinds.objectsOf(kind)?.get(place);
  }

  /** Everything was read, or could not be. */
  get isSettled(): boolean {
    const isRead = this.kinds.names.every((kind) => this.kinds.isSettled(kind));
    return this.isKnown && isRead && this.secrets.names.every((one) => this.secrets.isSettled(one));
  }

  /** There are no objects, and there will be none soon. */
  get isAway(): boolean {
    const main = this.settings.hasIngress ? [INGRESSES] : MAIN_KINDS;
    return main.some((kind) => this.kinds.isAway(kind));
  }

  /** What cannot be read, and why. */
  get troubles(): Record<string, string> {
    const troubles = this.kinds.troubles;
    for (const [place, trouble] of Object.entries(this.secrets.troubles)) {
      troubles[`secrets ${place}`] = trouble;
    }
    return troubles;
  }

  /** `NAMESPACE/NAME`. */
  secretAt(place: string): WatchedSecret {
    const object = this.secrets.objectsOf(place)?.get(place) ?? null;
    const isSettled = this.secrets.names.includes(place) && this.secrets.isSettled(place);
    return { object, isSettled };
  }

  private changed(): void {
    if (this.isStopped) return;
    this.watchSecrets();
    this.onChange();
  }

  /** Those that are named now; an unknown class names nobody's. */
  private watchSecrets(): void {
    const { ingresses, gateways } = this;
    const { ingress, gatewayApi } = this.settings;
    if (ingresses === null) return;
    const named = secretsOf([...ingresses.values()], this.classes, ingress);
    if (gateways !== null && gatewayApi !== null) {
      named.push(...gatewaySecrets({ ...gateways, tlsSecrets: [] }, gatewayApi));
    }
    const wanted = new Set(named.slice(0, SECRETS_MAX));
    for (const place of this.secrets.names) if (!wanted.has(place)) this.secrets.stop(place);
    const known = new Set(this.secrets.names);
    for (const place of wanted) {
      if (!known.has(place)) this.secrets.start(place, [secretPath(place)]);
    }
  }
}

/** One object by its name, so that the rights to it can be given by name as well. */
function secretPath(place: string): string {
  const [namespace = '', name = ''] = place.split('/');
  const field = encodeURIComponent(`metadata.name=${name}`);
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets?fieldSelector=${field}`;
}
