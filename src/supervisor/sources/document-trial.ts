/**
 * Brings a set of documents into force, and where they cannot be used together finds out which of
 * them can: one after the other, the release first.
 *
 *     all that are wanted ─► taken: done
 *            └─► refused ─► what is in force + one of the changes ─► taken or refused, for each
 *
 * Thread: supervisor (on the main thread).
 *
 * Invariant: a document that is refused leaves the last good one of its team in force, and never
 * stops that of another team.
 */
import { toldReasons } from './node-report.js';
import type { DocumentSet, StoreDocument } from './store-document.js';

/** Tries to bring documents into force; null: they are, else why they are not. */
export type DocumentAttempt = (documents: DocumentSet) => Promise<readonly string[] | null>;

export interface TrialOutcome {
  /** In force now. */
  readonly inForce: DocumentSet;
  /** By team, of those that are wanted and are not in force. */
  readonly refused: ReadonlyMap<string, { document: StoreDocument; reasons: readonly string[] }>;
}

/** A part may need what another one brings, which a first round did not have yet. */
const ROUNDS_MAX = 2;

export async function tryDocuments(
  inForce: DocumentSet,
  wanted: DocumentSet,
  attempt: DocumentAttempt,
): Promise<TrialOutcome> {
  const reasons = await attempt(wanted);
  if (reasons === null) return { inForce: wanted, refused: new Map() };
  const changed = changesOf(inForce, wanted);
  if (changed.length <= 1) return { inForce, refused: refusedOf(wanted, changed, reasons) };
  let now = inForce;
  let left = changed;
  const why = new Map<string, readonly string[]>();
  for (let round = 0; round < ROUNDS_MAX && left.length > 0; round += 1) {
    const before = left.length;
    for (const team of left) {
      const next = withTeam(now, wanted, team);
      const refusal = await attempt(next);
      if (refusal === null) now = next;
      else why.set(team, refusal);
    }
    left = changesOf(now, wanted);
    if (left.length === before) break;
  }
  const refused = left.map((team) => refusedOf(wanted, [team], why.get(team) ?? reasons));
  return { inForce: now, refused: new Map(refused.flatMap((one) => [...one])) };
}

/** The teams whose documents are different, the release first. */
function changesOf(inForce: DocumentSet, wanted: DocumentSet): string[] {
  const teams = new Set([...inForce.keys(), ...wanted.keys()]);
  return [...teams].filter((team) => inForce.get(team)?.sha256 !== wanted.get(team)?.sha256).sort();
}

function withTeam(now: DocumentSet, wanted: DocumentSet, team: string): DocumentSet {
  const next = new Map(now);
  const document = wanted.get(team);
  if (document === undefined) next.delete(team);
  else next.set(team, document);
  return next;
}

/** A part that is taken away and is still needed has no document to be named by: its team is. */
function refusedOf(
  wanted: DocumentSet,
  teams: readonly string[],
  reasons: readonly string[],
): TrialOutcome['refused'] {
  return new Map(
    teams.map((team) => {
      const gone = { name: team, text: '', team, id: 'removed', sha256: '' };
      return [team, { document: wanted.get(team) ?? gone, reasons: toldReasons(reasons) }];
    }),
  );
}
