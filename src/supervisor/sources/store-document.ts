/**
 * A document of a store with what tells it from others, and what has become of a set of them.
 *
 * Thread: supervisor (on the main thread).
 */
import type { ConfigDocument } from '../../config/source/config-document.js';

export interface StoreDocument extends ConfigDocument {
  /** Of a release its ID, of a part its SHA-256. */
  readonly id: string;
  /** Of the text. */
  readonly sha256: string;
}

/** Documents by their team; a release under ''. */
export type DocumentSet = ReadonlyMap<string, StoreDocument>;

/** The release first, then the parts by their teams: the order in which they are put together. */
export function inOrder(documents: DocumentSet): readonly StoreDocument[] {
  return [...documents.values()].sort((a, b) => (a.team < b.team ? -1 : 1));
}

/** Whether both say the same, whatever their IDs are. */
export function hasSameTexts(one: DocumentSet, other: DocumentSet): boolean {
  if (one.size !== other.size) return false;
  return [...one].every(([team, { sha256 }]) => other.get(team)?.sha256 === sha256);
}
