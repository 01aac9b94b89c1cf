/**
 * Long texts of admin pages, made in short pieces with turns of the event loop for client traffic
 * in between.
 *
 * Thread: supervisor (on the main thread).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** After this time the thread serves its clients before it goes on with the text. */
const WORK_MS_MAX = 1;

/** The whole text. An empty piece is a place to pause. */
export async function gatherPieces(pieces: Iterable<string>, nowMs: () => number): Promise<string> {
  const text: string[] = [];
  let beganMs = nowMs();
  for (const piece of pieces) {
    if (piece !== '') text.push(piece);
    if (nowMs() - beganMs < WORK_MS_MAX) continue;
    await nextTurn();
    beganMs = nowMs();
  }
  return text.join('');
}
