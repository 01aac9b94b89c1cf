/**
 * GET /stats: every figure, as JSON.
 *
 * Thread: acceptor.
 */
import type { AdminHandler } from '../admin-handler.js';
import type { StatsReader } from '../stats.js';
import { gatherPieces } from './gather-pieces.js';

export function statsHandler(stats: StatsReader, nowMs: () => number): AdminHandler {
  return {
    method: 'GET',
    path: '/stats',
    needsToken: false,
    answer: async () => ({ status: 200, body: await gatherPieces(stats.pieces(), nowMs) }),
  };
}
