/**
 * The last refusals of all threads, newest first.
 *
 * Thread: supervisor (on the main thread). Reads the rings; a note that is being written is left
 * out.
 */
import { PROBLEMS } from '../base/problems.js';
import type { RefusalRingReader } from '../channel/refusal-ring.js';
import { refusedOf } from '../observability/refused-request.js';
import type { RefusalRow } from './recent-rows.js';

const SHOWN_MAX = 100;

/** A refusal, and the keys by which the limits of its route counted the request, one a line. */
export interface NotedRefusal {
  readonly shown: RefusalRow;
  readonly keyLines: readonly string[];
}

export function readRefusals(rings: readonly RefusalRingReader[]): NotedRefusal[] {
  const kinds = Object.values(PROBLEMS);
  const notes = rings.flatMap((ring) => ring.read());
  notes.sort((one, other) => other.unixMs - one.unixMs);
  return notes.slice(0, SHOWN_MAX).flatMap(({ about, unixMs, fields }) => {
    const kind = kinds[about];
    if (kind === undefined) return [];
    const { status, code, part } = kind;
    const { keyLines, ...refused } = refusedOf(fields);
    const time = new Date(unixMs).toISOString();
    return [{ shown: { time, status, code, part, ...refused }, keyLines }];
  });
}
