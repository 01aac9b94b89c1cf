/**
 * Puts releases and parts into a store of configurations, and moves the pointer to them.
 *
 * Thread: supervisor (on the main thread). All of a change is one transaction that compares what
 * was there before: of two publishers who start from the same release one is refused.
 */
import { StoreError } from '../../base/store-errors.js';
import type { ConfigStore, StoreChange, StoredValue } from './config-store.js';
import {
  CURRENT,
  PARTS,
  parsePointer,
  pointerText,
  RELEASES,
  type ReleasePointer,
  releaseId,
  sha256Of,
} from './release-layout.js';

/** Old releases that one publishing takes away at most: a transaction has a bound. */
const REMOVED_MAX = 40;

export interface Published {
  readonly id: string;
  readonly sha256: string;
  /** False: it was in force already. */
  readonly isNew: boolean;
}

/** What is in force in a store, as it was read. */
export interface CurrentRelease {
  readonly pointer: ReleasePointer | null;
  /** 0: there is none. */
  readonly version: number;
}

export function currentOf(values: ReadonlyMap<string, StoredValue>): CurrentRelease {
  const value = values.get(CURRENT);
  if (value === undefined) return { pointer: null, version: 0 };
  return { pointer: parsePointer(value.text), version: value.version };
}

/**
 * Publishes a whole configuration. `keep`: the number of releases that stay in the store. Rejects
 * with StoreError when somebody else was quicker.
 */
export async function publishRelease(
  store: ConfigStore,
  text: string,
  options: { readonly current: CurrentRelease; readonly unixMs: number; readonly keep: number },
): Promise<Published> {
  const { current, unixMs, keep } = options;
  const sha256 = sha256Of(text);
  if (current.pointer?.sha256 === sha256) {
    return { id: current.pointer.id, sha256, isNew: false };
  }
  const id = releaseId(unixMs, sha256);
  const { pointer } = current;
  const before = pointer === null ? [] : [...pointer.before, pointer.id];
  const old = await oldReleases(store, keep, [id, current.pointer?.id ?? '']);
  const changes = [
    { key: RELEASES + id, text },
    { key: CURRENT, text: pointerText({ id, sha256, before }) },
    ...old.map((key) => ({ key, text: null })),
  ];
  await movePointer(store, current, { id, changes });
  return { id, sha256, isNew: true };
}

/**
 * Makes another release the one in force: `id`, or the one that was in force before; `null`.
 * Rejects with StoreError when there is none.
 */
export async function rollBackTo(store: ConfigStore, id: string | null): Promise<Published> {
  const current = currentOf((await store.read([CURRENT])).values);
  const before = current.pointer?.before ?? [];
  const wanted = id ?? before.at(-1);
  if (wanted === undefined) throw new StoreError(`${store.name} has no earlier release`);
  const key = RELEASES + wanted;
  const text = (await store.read([key])).values.get(key)?.text;
  if (text === undefined) throw new StoreError(`${store.name} has no release ${wanted}`);
  const sha256 = sha256Of(text);
  if (current.pointer?.id === wanted) return { id: wanted, sha256, isNew: false };
  const place = before.lastIndexOf(wanted);
  const left = place === -1 ? before : before.slice(0, place);
  const pointer = pointerText({ id: wanted, sha256, before: left });
  await movePointer(store, current, { id: wanted, changes: [{ key: CURRENT, text: pointer }] });
  return { id: wanted, sha256, isNew: true };
}

/** Publishes the part of a team; `text` null takes it away. */
export async function publishPart(
  store: ConfigStore,
  team: string,
  { text, before }: { readonly text: string | null; readonly before: StoredValue | undefined },
): Promise<Published> {
  const key = PARTS + team;
  const sha256 = text === null ? '' : sha256Of(text);
  const id = sha256 === '' ? 'removed' : sha256;
  if (before?.text === (text ?? undefined)) return { id, sha256, isNew: false };
  const isDone = await store
    .change([{ key, version: before?.version ?? 0 }], [{ key, text }])
    .catch((error: unknown) => failedUnless(store, key, text, error));
  if (isDone || (await hasText(store, key, text))) return { id, sha256, isNew: true };
  throw new StoreError(`${store.name}/${key} was changed by somebody else: publish again`);
}

/** All releases, oldest first. */
export async function releasesIn(store: ConfigStore): Promise<readonly string[]> {
  const keys = await store.keys(RELEASES);
  return keys.map((key) => key.slice(RELEASES.length)).sort();
}

async function movePointer(
  store: ConfigStore,
  { version }: CurrentRelease,
  { id, changes }: { readonly id: string; readonly changes: readonly StoreChange[] },
): Promise<void> {
  const pointer = changes.find(({ key }) => key === CURRENT)?.text ?? null;
  const isDone = await store
    .change([{ key: CURRENT, version }], changes)
    .catch((error: unknown) => failedUnless(store, CURRENT, pointer, error));
  // A reply may be lost, and the change made twice: the second time it finds itself.
  if (isDone || (await hasText(store, CURRENT, pointer))) return;
  const now = currentOf((await store.read([CURRENT])).values).pointer?.id ?? 'nothing';
  throw new StoreError(
    `${id} was not published: somebody else has put ${now} into force meanwhile; publish again`,
  );
}

/** A change whose reply is lost may have been made. */
async function failedUnless(
  store: ConfigStore,
  key: string,
  text: string | null,
  error: unknown,
): Promise<boolean> {
  if (!(error instanceof StoreError) || !(await hasText(store, key, text))) throw error;
  return true;
}

async function hasText(store: ConfigStore, key: string, text: string | null): Promise<boolean> {
  return ((await store.read([key])).values.get(key)?.text ?? null) === text;
}

async function oldReleases(
  store: ConfigStore,
  keep: number,
  kept: readonly string[],
): Promise<readonly string[]> {
  const ids = await releasesIn(store);
  const old = ids.slice(0, Math.max(0, ids.length - (keep - 1)));
  return old
    .filter((id) => !kept.includes(id))
    .slice(0, REMOVED_MAX)
    .map((id) => RELEASES + id);
}
