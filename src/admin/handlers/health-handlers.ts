/**
 * GET /healthz: the process lives. GET /readyz: the gateway takes requests, or the reason why not.
 *
 * Thread: supervisor (on the main thread).
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

/** `stateOf` returns `ready`; any other text makes the reply a 503. */
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
