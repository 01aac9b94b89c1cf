/**
 * GET /recent: the last refusals, and the keys of limits that have used the most.
 *
 * Thread: acceptor. Refusals are a sample: each thread notes one in ten milliseconds at most.
 */
import type { AdminHandler } from '../admin-handler.js';

export function recentHandler(read: () => Promise<object>): AdminHandler {
  return {
    method: 'GET',
    path: '/recent',
    needsToken: false,
    answer: async () => ({ status: 200, body: await read() }),
  };
}
