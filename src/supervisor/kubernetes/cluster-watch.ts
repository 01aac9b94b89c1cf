/**
 * Watches what routes are made of: Ingress, IngressClass, and the secrets that they name.
 *
 * Thread: supervisor (on the main thread). Owns a collection for each kind and namespace, and one
 * for each secret: whoever may read all secrets of a cluster may do everything in it.
 *
 * Invariant: a kind that cannot be read is told, and changes nothing of what the others say.
 */
import { secretsOf } from '../../config/kubernetes/ingress-set.js';
import type { KubeJson } from '../../config/kubernetes/kube-json.js';
import type { CompiledKubernetes } from '../../config/kubernetes-settings.js';
import { type CollectionParts, KubeCollection } from '../discovery/kube-collection.js';

export type WatchParts = Pick<CollectionParts, 'clock' | 'random' | 'access'>;

/** Of one secret; null: it is not there, or not known yet. */
export interface WatchedSecret {
  readonly object: KubeJson | null;
  /** It was read, or could not be. */
  readonly isSettled: boolean;
}

interface Collected {
  readonly collection: KubeCollection;
  objects: ReadonlyMap<string, KubeJson> | null;
  /** '': it can be read. */
  trouble: string;
  /** Failures since it was read last. */
  failures: number;
}

/** A server that is asked anew after the first failure and fails again is away for longer. */
const FAILURES_OF_ONE_AWAY = 2;

/** Beyond that certificates of objects are not read. */
const SECRETS_MAX = 2000;
const INGRESSES = 'ingresses';
const CLASSES = 'ingressclasses';
const NETWORKING = '/apis/networking.k8s.io/v1';

export class ClusterWatch {
  private readonly kinds = new Map<string, Collected[]>();
  private readonly secrets = new Map<string, Collected>();
  private isStopped = false;

  /** `onChange`: something may be otherwise than before. */
  constructor(
    private readonly settings: CompiledKubernetes,
    private readonly parts: WatchParts,
    private readonly onChange: () => void,
  ) {}

  start(): void {
    const { namespaces } = this.settings;
    const folders = namespaces.map((name) => `/namespaces/${encodeURIComponent(name)}`);
    const places = folders.length === 0 ? [''] : folders;
    const paths = places.map((folder) => `${NETWORKING}${folder}/${INGRESSES}`);
    this.kinds.set(
      INGRESSES,
      paths.map((path) => this.collect(path)),
    );
    this.kinds.set(CLASSES, [this.collect(`${NETWORKING}/${CLASSES}`)]);
  }

  stop(): void {
    this.isStopped = true;
    for (const { collection } of [...this.kinds.values()].flat()) collection.stop();
    for (const { collection } of this.secrets.values()) collection.stop();
  }

  /** null: not all of them were ever read. */
  get ingresses(): ReadonlyMap<string, KubeJson> | null {
    const all = (this.kinds.get(INGRESSES) ?? []).map(({ objects }) => objects);
    const known = all.filter((one) => one !== null);
    if (known.length === 0 || known.length < all.length) return null;
    return new Map(known.flatMap((one) => [...one]));
  }

  /** null: they cannot be read. */
  get classes(): readonly KubeJson[] | null {
    const objects = this.kinds.get(CLASSES)?.[0]?.objects ?? null;
    return objects === null ? null : [...objects.values()];
  }

  /** Everything was read, or could not be. */
  get isSettled(): boolean {
    const [classes] = this.kinds.get(CLASSES) ?? [];
    const knowsClasses =
      classes !== undefined && (classes.objects !== null || classes.trouble !== '');
    return (
      this.ingresses !== null &&
      knowsClasses &&
      [...this.secrets.keys()].every((place) => this.secretAt(place).isSettled)
    );
  }

  /** There are no objects, and there will be none soon. */
  get isAway(): boolean {
    const all = this.kinds.get(INGRESSES) ?? [];
    return all.some((one) => one.objects === null && one.failures >= FAILURES_OF_ONE_AWAY);
  }

  /** What cannot be read, and why. */
  get troubles(): Record<string, string> {
    const troubles: Record<string, string> = {};
    for (const [kind, collected] of this.kinds) {
      for (const { trouble } of collected) if (trouble !== '') troubles[kind] = trouble;
    }
    for (const [place, { trouble }] of this.secrets) {
      if (trouble !== '') troubles[`secrets ${place}`] = trouble;
    }
    return troubles;
  }

  /** `NAMESPACE/NAME`. */
  secretAt(place: string): WatchedSecret {
    const collected = this.secrets.get(place);
    const object = collected?.objects?.get(place) ?? null;
    const isSettled =
      collected !== undefined && (collected.objects !== null || collected.trouble !== '');
    return { object, isSettled };
  }

  private collect(path: string): Collected {
    const collected: Collected = {
      collection: new KubeCollection(
        { ...this.parts, path: () => path },
        {
          onObjects: (objects) => {
            collected.objects = new Map(objects);
            collected.trouble = '';
            collected.failures = 0;
            this.changed();
          },
          onError: (reason) => {
            collected.trouble = reason;
            collected.failures += 1;
            this.changed();
          },
        },
      ),
      objects: null,
      trouble: '',
      failures: 0,
    };
    collected.collection.start();
    return collected;
  }

  private changed(): void {
    if (this.isStopped) return;
    this.watchSecrets();
    this.onChange();
  }

  /** Those that are named now; an unknown class names nobody's. */
  private watchSecrets(): void {
    const { ingresses } = this;
    if (ingresses === null) return;
    const named = secretsOf([...ingresses.values()], this.classes, this.settings.ingress);
    const wanted = new Set(named.slice(0, SECRETS_MAX));
    for (const [place, { collection }] of this.secrets) {
      if (wanted.has(place)) continue;
      collection.stop();
      this.secrets.delete(place);
    }
    for (const place of wanted) {
      if (!this.secrets.has(place)) this.secrets.set(place, this.collect(secretPath(place)));
    }
  }
}

/** One object by its name, so that the rights to it can be given by name as well. */
function secretPath(place: string): string {
  const [namespace = '', name = ''] = place.split('/');
  const field = encodeURIComponent(`metadata.name=${name}`);
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets?fieldSelector=${field}`;
}
