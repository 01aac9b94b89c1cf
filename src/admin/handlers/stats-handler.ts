/**
 * GET /stats: every figure, as JSON.
 *
 * Thread: supervisor (on the main thread).
 */
import type { AdminHandler } from '../admin-handler.js';
import type { StatsReader } from '../stats.js';
import { gatherPieces } from './gather-pieces.js';

/** `refresh`: makes figures that are not in shared memory those of this moment. */
export function statsHandler(
  stats: StatsReader,
  nowMs: () => number,
  refresh: () => Promise<void>,
): AdminHandler {
  return {
    method: 'GET',
    path: '/stats',
    needsToken: false,
    answer: async () => {
      await refresh();
      return { status: 200, body: await gatherPieces(stats.pieces(), nowMs) };
    },
  };
}
