/**
 * GET /healthz: the process lives. GET /readyz: the gateway takes requests, or the reason why not.
 *
 * Thread: supervisor (on the main thread).
 */
import type { StoreOrigin } from '../../base/store-origin.js';
import type { WorkloadStatus } from '../../observability/gateway-status.js';
import type { AdminHandler } from '../admin-handler.js';
import { shortOriginRow, shortWorkloadRow } from '../live-rows.js';

export function healthzHandler(): AdminHandler {
  return {
    method: 'GET',
    path: '/healthz',
    needsToken: false,
    answer: () => ({ status: 200, body: { status: 'ok' } }),
  };
}

export interface ReadinessFacts {
  /** `ready`; any other text makes the reply a 503. */
  state(): string;
  /** What is known of the store of the configuration; null: there is none. */
  origin(): StoreOrigin | null;
  /** Upstreams whose sources of targets have never answered. */
  unanswered(): readonly string[];
  /** Of several cells, those whose acceptor or workers are all away; the others serve. */
  idleCells(): number;
  /** Of those, the ones whose acceptor dies again and again, and is started again later. */
  restingAcceptors(): number;
  /** What is known of the gateway's own identity; null: it needs none. */
  workload(): WorkloadStatus | null;
}

export function readyzHandler(known: ReadinessFacts): AdminHandler {
  return {
    method: 'GET',
    path: '/readyz',
    needsToken: false,
    answer: () => {
      const status = known.state();
      const [origin, workload] = [known.origin(), known.workload()];
      const [unansweredUpstreams, idleCells] = [known.unanswered(), known.idleCells()];
      const restingAcceptors = known.restingAcceptors();
      const body = {
        status,
        ...(origin !== null && { configuration: shortOriginRow(origin) }),
        ...(unansweredUpstreams.length > 0 && { unansweredUpstreams }),
        ...(idleCells > 0 && { idleCells }),
        ...(restingAcceptors > 0 && { restingAcceptors }),
        ...(workload !== null && { spiffe: shortWorkloadRow(workload) }),
      };
      return { status: status === 'ready' ? 200 : 503, body };
    },
  };
}
