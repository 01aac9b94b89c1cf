/**
 * GET /healthz: the process lives. GET /readyz: it takes requests, or why it does not.
 *
 * Thread: acceptor.
 */
import type { AdminHandler } from '../admin-handler.js';

export function healthzHandler(): AdminHandler {
  return {
    method: 'GET',
    path: '/healthz',
    needsToken: false,
    answer: () => ({ status: 200, body: { status: 'ok' } }),
  };
}

/** `stateOf`: `ready`, or anything else for 503. */
export function readyzHandler(stateOf: () => string): AdminHandler {
  return {
    method: 'GET',
    path: '/readyz',
    needsToken: false,
    answer: () => {
      const status = stateOf();
      return { status: status === 'ready' ? 200 : 503, body: { status } };
    },
  };
}
