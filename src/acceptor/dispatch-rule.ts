/**
 * What bounds the requests that the acceptor lets in.
 *
 * Thread: acceptor.
 */
import type { CompiledConfig } from '../config/compiled-config.js';
import type { QueueRule } from './lane-queue.js';

export interface DispatchRule extends QueueRule {
  readonly inFlightMax: number;
}

export function dispatchRule({ limits }: CompiledConfig): DispatchRule {
  return {
    inFlightMax: limits.inFlight,
    depthMax: limits.laneDepth,
    waitMsMax: limits.queueMs,
  };
}
