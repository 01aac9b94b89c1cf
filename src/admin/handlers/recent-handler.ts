/**
 * GET /recent: the last refusals, and the keys that have used most of their limits.
 *
 * Thread: supervisor (on the main thread). Refusals are a sample: each thread notes at most one in
 * ten milliseconds.
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
