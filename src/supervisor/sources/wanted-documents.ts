/**
 * Which documents a store names now.
 *
 * Thread: supervisor (on the main thread). What was published is told by its hash: a release that
 * is not whole, or was changed afterwards, is refused before anybody reads it.
 */
import type { ConfigStore, StoreView } from './config-store.js';
import type { TrialOutcome } from './document-trial.js';
import {
  CURRENT,
  PARTS,
  PARTS_MAX,
  parsePointer,
  RELEASES,
  type ReleasePointer,
  sha256Of,
  teamOf,
} from './release-layout.js';
import type { DocumentSet, StoreDocument } from './store-document.js';

export interface WantedDocuments {
  /** null: the store names no release, and nothing is to be changed. */
  readonly documents: DocumentSet | null;
  /** Documents that are refused before they are tried. */
  readonly refused: TrialOutcome['refused'];
  /** What is in the store and is not used. */
  readonly warnings: readonly string[];
}

/** Rejects with StoreError when the release cannot be read. */
export async function documentsOf(
  view: StoreView,
  store: ConfigStore,
  inForce: DocumentSet,
): Promise<WantedDocuments> {
  const named = view.values.get(CURRENT)?.text;
  if (named === undefined) {
    const kept = inForce.size > 0 ? ': it may have lost its data, and what is in force stays' : '';
    return { documents: null, refused: new Map(), warnings: [`the store names no release${kept}`] };
  }
  const documents = new Map<string, StoreDocument>();
  const refused = new Map<string, { document: StoreDocument; reasons: readonly string[] }>();
  const release = await releaseOf(named, store, inForce.get(''));
  const kept = 'reason' in release ? inForce.get('') : release;
  if ('reason' in release) refuse(refused, release);
  if (kept !== undefined) documents.set('', kept);
  const warnings = addParts(documents, view, store.name);
  return { documents: documents.size === 0 ? null : documents, refused, warnings };
}

interface Unusable {
  readonly id: string;
  readonly reason: string;
}

function refuse(
  refused: Map<string, { document: StoreDocument; reasons: readonly string[] }>,
  { id, reason }: Unusable,
): void {
  const document = { name: '', text: '', team: '', id, sha256: '' };
  refused.set('', { document, reasons: [reason] });
}

async function releaseOf(
  named: string,
  store: ConfigStore,
  inForce: StoreDocument | undefined,
): Promise<StoreDocument | Unusable> {
  const pointer = parsePointer(named);
  if (pointer === null) return { id: CURRENT, reason: `the key ${CURRENT} names no release` };
  const { id, sha256 }: ReleasePointer = pointer;
  const name = `${store.name}/${RELEASES}${id}`;
  // What was read once is not read again: it never changes.
  if (inForce?.sha256 === sha256) return { ...inForce, id, name };
  const key = RELEASES + id;
  const text = (await store.read([key])).values.get(key)?.text;
  if (text === undefined) return { id, reason: 'the release is not in the store' };
  if (sha256Of(text) !== sha256) {
    return { id, reason: 'the text of the release is not the one that was published (SHA-256)' };
  }
  return { id, name, text, team: '', sha256 };
}

/** Returns what is not used. */
function addParts(
  documents: Map<string, StoreDocument>,
  { values }: StoreView,
  store: string,
): readonly string[] {
  const warnings: string[] = [];
  const keys = [...values.keys()].filter((key) => key.startsWith(PARTS)).sort();
  for (const [count, key] of keys.entries()) {
    const team = teamOf(key);
    if (team === '') warnings.push(`${key} is no name of a team`);
    else if (count >= PARTS_MAX) warnings.push(`${key}: there are more than ${PARTS_MAX} parts`);
    else {
      const text = values.get(key)?.text ?? '';
      const sha256 = sha256Of(text);
      documents.set(team, { name: `${store}/${key}`, text, team, id: sha256, sha256 });
    }
  }
  return warnings;
}
