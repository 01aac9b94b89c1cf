/**
 * What is known of a configuration that came out of a store.
 *
 * Thread: any (pure). Types only: whoever follows the store makes it, pages show it.
 */

/** A document that is not in force, and why. */
export interface RefusedDocument {
  /** Of a release its ID, of a part its SHA-256. */
  readonly id: string;
  readonly reasons: readonly string[];
}

/** What is refused is tried again, with longer and longer waits. */
export interface NextTry {
  /** How often it was refused so far. */
  readonly refusals: number;
  readonly inMs: number;
}

export interface StoreOrigin {
  /** `etcd` or `consul`. */
  readonly provider: string;
  /** The store's address without secrets. */
  readonly store: string;
  /** The ID of the release in force; '': none yet. */
  readonly release: string;
  readonly sha256: string;
  /** `copy`: it was read from the disk of this machine, since the store could not be reached. */
  readonly from: 'store' | 'copy';
  /** The store's revision when the release was read. */
  readonly revision: number;
  /** How long ago the store was read last; null: never since the process began. */
  readonly ageMs: number | null;
  /** Why the store cannot be read now; '': it can. */
  readonly trouble: string;
  /** The release that the store names, where it is refused. */
  readonly refused: RefusedDocument | null;
  /** null: nothing is refused, or a trial has shown that it is bad. */
  readonly nextTry: NextTry | null;
  readonly parts: readonly {
    readonly team: string;
    /** In force; '': none. */
    readonly sha256: string;
    readonly refused: RefusedDocument | null;
  }[];
}
