/**
 * GET /healthz: the process lives. GET /readyz: the gateway takes requests, or the reason why not.
 *
 * Thread: supervisor (on the main thread).
 */
import type { StoreOrigin } from '../../base/store-origin.js';
import type { AdminHandler } from '../admin-handler.js';
import { shortOriginRow } from '../live-rows.js';

export function healthzHandler(): AdminHandler {
  return {
    method: 'GET',
    path: '/healthz',
    needsToken: false,
    answer: () => ({ status: 200, body: { status: 'ok' } }),
  };
}

/**
 * `stateOf` returns `ready`; any other text makes the reply a 503. `originOf`: what is known of the
 * store of the configuration; null: there is none. `unanswered`: upstreams whose sources of targets
 * have never answered.
 */
export function readyzHandler(
  stateOf: () => string,
  originOf: () => StoreOrigin | null,
  unanswered: () => readonly string[],
): AdminHandler {
  return {
    method: 'GET',
    path: '/readyz',
    needsToken: false,
    answer: () => {
      const status = stateOf();
      const origin = originOf();
      const unansweredUpstreams = unanswered();
      const facts = {
        ...(origin !== null && { configuration: shortOriginRow(origin) }),
        ...(unansweredUpstreams.length > 0 && { unansweredUpstreams }),
      };
      return { status: status === 'ready' ? 200 : 503, body: { status, ...facts } };
    },
  };
}
