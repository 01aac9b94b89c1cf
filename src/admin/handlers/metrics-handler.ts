/**
 * GET /metrics: every figure, as Prometheus text.
 *
 * Thread: acceptor. A large configuration has many figures, so the text is made in short pieces,
 * with turns of the event loop for client traffic in between.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PROMETHEUS_CONTENT_TYPE } from '../../observability/prometheus-text.js';
import type { AdminHandler } from '../admin-handler.js';
import type { MetricsReader } from '../metrics.js';

/** After this time the thread serves its clients before it goes on with the text. */
const WORK_MS_MAX = 1;

export function metricsHandler(metrics: MetricsReader, nowMs: () => number): AdminHandler {
  return {
    method: 'GET',
    path: '/metrics',
    needsToken: false,
    answer: async () => ({
      status: 200,
      body: await gather(metrics.pieces(), nowMs),
      contentType: PROMETHEUS_CONTENT_TYPE,
    }),
  };
}

async function gather(pieces: Iterable<string>, nowMs: () => number): Promise<string> {
  const text: string[] = [];
  let beganMs = nowMs();
  for (const piece of pieces) {
    text.push(piece);
    if (nowMs() - beganMs < WORK_MS_MAX) continue;
    await nextTurn();
    beganMs = nowMs();
  }
  return text.join('');
}
