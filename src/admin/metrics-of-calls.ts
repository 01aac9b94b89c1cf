/**
 * Metrics of gRPC: calls by method and status.
 *
 * Thread: supervisor. A part of metrics.ts. Without calls there are no series.
 */
import { GRPC_STATUS_NAMES } from '../base/grpc-status.js';
import { familyText, type Labels } from '../observability/prometheus-text.js';
import type { GatewayViews } from './gateway-views.js';
import { FAMILIES } from './metric-families.js';

export function* callPieces({ figures }: GatewayViews): Generator<string> {
  const samples: (readonly [Labels, number])[] = [];
  for (const { name, counts } of figures.calls()) {
    const [service = '', method = ''] = name.split('/');
    for (const [code, count] of counts.entries()) {
      if (count === 0) continue;
      const labels: Labels = [
        ['service', service],
        ['method', method],
        ['status', GRPC_STATUS_NAMES[code] ?? ''],
      ];
      samples.push([labels, count]);
    }
  }
  if (samples.length > 0) yield familyText(FAMILIES.grpcCalls, 'counter', samples);
}
