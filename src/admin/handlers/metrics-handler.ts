/**
 * GET /metrics: every figure, as Prometheus text.
 *
 * Thread: supervisor (on the main thread).
 */
import { PROMETHEUS_CONTENT_TYPE } from '../../observability/prometheus-text.js';
import type { AdminHandler } from '../admin-handler.js';
import type { MetricsReader } from '../metrics.js';
import { gatherPieces } from './gather-pieces.js';

/** `refresh`: makes figures that are not in shared memory those of this moment. */
export function metricsHandler(
  metrics: MetricsReader,
  nowMs: () => number,
  refresh: () => Promise<void>,
): AdminHandler {
  return {
    method: 'GET',
    path: '/metrics',
    needsToken: false,
    answer: async () => {
      await refresh();
      return {
        status: 200,
        body: await gatherPieces(metrics.pieces(), nowMs),
        contentType: PROMETHEUS_CONTENT_TYPE,
      };
    },
  };
}
