/**
 * GET /stats: every figure, as JSON.
 *
 * Thread: acceptor.
 */
import type { AdminHandler } from '../admin-handler.js';
import type { StatsReader } from '../stats.js';

export function statsHandler(stats: StatsReader): AdminHandler {
  return {
    method: 'GET',
    path: '/stats',
    needsToken: false,
    answer: () => ({ status: 200, body: stats.read() }),
  };
}
