/**
 * What bounds the requests that the acceptor lets in.
 *
 * Thread: acceptor.
 */
import type { GatewaySettings } from '../config/compiled-config.js';
import type { Cell } from './cell.js';
import { inFlightMax } from './connection-rule.js';
import type { QueueRule } from './lane-queue.js';

export interface DispatchRule extends QueueRule {
  readonly inFlightMax: number;
  /** Absent: there is one acceptor, on the main thread. */
  readonly cell?: Cell;
}

/** `filesMax`: how many open files the process may have. */
export function dispatchRule(config: GatewaySettings, filesMax: number): DispatchRule {
  const { limits } = config;
  return {
    inFlightMax: inFlightMax(config, filesMax),
    depthMax: limits.laneDepth,
    waitMsMax: limits.queueMs,
  };
}
