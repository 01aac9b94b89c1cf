/**
 * GET /metrics: every figure, as Prometheus text.
 *
 * Thread: acceptor.
 */
import { PROMETHEUS_CONTENT_TYPE } from '../../observability/prometheus-text.js';
import type { AdminHandler } from '../admin-handler.js';
import type { MetricsReader } from '../metrics.js';
import { gatherPieces } from './gather-pieces.js';

export function metricsHandler(metrics: MetricsReader, nowMs: () => number): AdminHandler {
  return {
    method: 'GET',
    path: '/metrics',
    needsToken: false,
    answer: async () => ({
      status: 200,
      body: await gatherPieces(metrics.pieces(), nowMs),
      contentType: PROMETHEUS_CONTENT_TYPE,
    }),
  };
}
