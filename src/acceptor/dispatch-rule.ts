/**
 * What bounds the requests that the acceptor lets in.
 *
 * Thread: acceptor.
 */
import type { GatewaySettings } from '../config/compiled-config.js';
import type { Cell } from './cell.js';
import type { QueueRule } from './lane-queue.js';

export interface DispatchRule extends QueueRule {
  readonly inFlightMax: number;
  /** Absent: there is one acceptor, on the main thread. */
  readonly cell?: Cell;
}

export function dispatchRule({ limits }: GatewaySettings): DispatchRule {
  return {
    inFlightMax: limits.inFlight,
    depthMax: limits.laneDepth,
    waitMsMax: limits.queueMs,
  };
}
