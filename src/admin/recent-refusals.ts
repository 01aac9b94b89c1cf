/**
 * The last refusals of all threads, newest first.
 *
 * Thread: acceptor. Reads the rings; a note that is being written is left out.
 */
import { PROBLEMS } from '../base/problems.js';
import type { RefusalRingReader } from '../channel/refusal-ring.js';

const SHOWN_MAX = 100;

export interface Refusal {
  /** ISO 8601. */
  readonly time: string;
  readonly status: number;
  readonly code: string;
  readonly part: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Empty: no route. */
  readonly route: string;
  readonly clientIp: string;
  readonly consumer: string;
  readonly requestId: string;
}

/** A refusal, and the keys by which the limits of its route counted the request, one a line. */
export interface NotedRefusal {
  readonly shown: Refusal;
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
    const [method = '', path = '', route = '', clientIp = '', consumer = '', requestId = ''] =
      fields;
    const time = new Date(unixMs).toISOString();
    const shown = { time, status, code, part, method, path, route, clientIp, consumer, requestId };
    return [{ shown, keyLines: fields.slice(6) }];
  });
}
