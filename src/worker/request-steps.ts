/**
 * What filters do with a request in two of its phases: as it enters its route, and as it is edited
 * for its target.
 *
 * Thread: worker. A part of request-pipeline.ts.
 */
import type { EditStep } from '../filters/filter.js';
import type { LocalReply } from '../filters/local-reply.js';
import { type Exchange, routeOf } from './exchange/exchange.js';
import type { PipelineParts } from './pipeline-parts.js';
import { enterCall, enterJsonCall } from './request/grpc-entry.js';
import { hideCredentials } from './request/hide-credentials.js';

type Parts = Pick<PipelineParts, 'filters' | 'tunnels' | 'plugins' | 'faults'>;

/** `wait`: the request is delayed on purpose. */
export function enterRequest(parts: Parts, exchange: Exchange): 'next' | 'wait' | LocalReply {
  const result = enterRoute(parts, exchange);
  return result === 'next' ? parts.faults.begin(exchange) : result;
}

function enterRoute(parts: Parts, exchange: Exchange): 'next' | LocalReply {
  const { filters, config } = routeOf(exchange);
  const { entrySteps, watchesUploads } = filters;
  if (config.filters.grpcJson !== undefined) enterJsonCall(exchange, config.filters.grpcJson);
  else if (exchange.grpc !== null) {
    const refused = enterCall(exchange, exchange.grpc);
    if (refused !== null) return refused;
  }
  const result = runSteps(parts, exchange, entrySteps);
  if (exchange.wantsTunnel && result === 'next') return prepareTunnel(parts, exchange);
  if (watchesUploads && result === 'next') parts.filters.watchUpload(exchange);
  return result;
}

/** Without a target there is nobody to speak with: the reply is an ordinary one. */
function prepareTunnel({ tunnels }: Parts, exchange: Exchange): 'next' | LocalReply {
  if (routeOf(exchange).upstream === null) return 'next';
  return tunnels.prepare(exchange) ?? 'next';
}

/** `wait`: for a plugin. */
export function editRequest(parts: Parts, exchange: Exchange): 'next' | 'wait' | LocalReply {
  const { hides, filters } = routeOf(exchange);
  if (hides !== null) hideCredentials(exchange, hides);
  const result = runSteps(parts, exchange, filters.editSteps);
  return result === 'next' ? parts.plugins.onRequest(exchange) : result;
}

function runSteps(
  { filters }: Parts,
  exchange: Exchange,
  steps: readonly EditStep[],
): 'next' | LocalReply {
  if (steps.length === 0) return 'next';
  return filters.run(exchange, steps) ?? 'next';
}
