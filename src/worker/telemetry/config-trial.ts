/**
 * What requests come to while a configuration is on trial, under it and under the one in force.
 *
 * Thread: worker. Written where the supervisor adds up all workers (supervisor/config-trial.ts).
 */
import { latencyBucket } from '../../base/latency-buckets.js';
import {
  type RolloutWriter,
  SIDE_NEW,
  SIDE_OLD,
} from '../../channel/coordinator/rollout-memory.js';
import type { Exchange } from '../exchange/exchange.js';
import { STATUS_CLIENT_LEFT } from '../exchange/reply-state.js';

export interface ConfigTrial {
  readonly counts: RolloutWriter;
  /** null: this worker gives it no requests. */
  readonly epoch: Exchange['epoch'];
}

/**
 * Refusals of the gateway count as errors here: a configuration may be wrong in what it refuses.
 * Clients that left say nothing of it.
 */
export function countTrial(
  { epoch, reply, tunnel }: Exchange,
  status: number,
  durationMs: number,
  { counts, epoch: onTrial }: ConfigTrial,
): void {
  if (status === STATUS_CLIENT_LEFT) return;
  const side = epoch === onTrial ? SIDE_NEW : SIDE_OLD;
  const isError = status >= 500 || reply.problem !== null;
  const isSocket = tunnel !== null && reply.isTunnel;
  counts.count(0, side, isError, isSocket ? -1 : latencyBucket(durationMs));
}
