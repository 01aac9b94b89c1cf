/**
 * Collections of several kinds of objects, each in one namespace or more.
 *
 * Thread: supervisor (on the main thread). Owns the collections.
 *
 * Invariant: a kind that cannot be read is told, and changes nothing of what is known of the
 * others, nor of what was known of it.
 */
import type { KubeJson } from '../../config/kubernetes/kube-json.js';
import { type CollectionParts, KubeCollection } from '../discovery/kube-collection.js';

export type WatchParts = Pick<CollectionParts, 'clock' | 'random' | 'access'>;

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
const NOT_FOUND = 'status 404 instead of 200';
/** Why a kind cannot be read that the cluster does not have. */
export const ABSENT = 'the cluster does not have this kind of object';

export class WatchedKinds {
  private readonly kinds = new Map<string, Collected[]>();

  constructor(
    private readonly parts: WatchParts,
    private readonly onChange: () => void,
  ) {}

  /** Paths of lists, one for each namespace. */
  start(kind: string, paths: readonly string[]): void {
    this.kinds.set(
      kind,
      paths.map((path) => this.collect(path)),
    );
  }

  stop(kind?: string): void {
    const kinds = kind === undefined ? [...this.kinds.keys()] : [kind];
    for (const one of kinds) {
      for (const { collection } of this.kinds.get(one) ?? []) collection.stop();
      this.kinds.delete(one);
    }
  }

  get names(): string[] {
    return [...this.kinds.keys()];
  }

  /** null: not all of them were ever read. */
  objectsOf(kind: string): ReadonlyMap<string, KubeJson> | null {
    const all = (this.kinds.get(kind) ?? []).map(({ objects }) => objects);
    const known = all.filter((one) => one !== null);
    if (known.length === 0 || known.length < all.length) return null;
    return new Map(known.flatMap((one) => [...one]));
  }

  /** It was read, or could not be. */
  isSettled(kind: string): boolean {
    const all = this.kinds.get(kind) ?? [];
    return all.every((one) => one.objects !== null || one.trouble !== '');
  }

  /** There are no objects, and there will be none soon. */
  isAway(kind: string): boolean {
    const all = this.kinds.get(kind) ?? [];
    return all.some((one) => one.objects === null && one.failures >= FAILURES_OF_ONE_AWAY);
  }

  /** The cluster has no such kind. */
  isAbsent(kind: string): boolean {
    const all = this.kinds.get(kind) ?? [];
    return all.some((one) => one.objects === null && one.trouble === ABSENT);
  }

  /** What cannot be read, and why. */
  get troubles(): Record<string, string> {
    const troubles: Record<string, string> = {};
    for (const [kind, collected] of this.kinds) {
      for (const { trouble } of collected) if (trouble !== '') troubles[kind] = trouble;
    }
    return troubles;
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
            this.onChange();
          },
          onError: (reason) => {
            collected.trouble = reason === NOT_FOUND ? ABSENT : reason;
            collected.failures += 1;
            this.onChange();
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
}
