/**
 * Counts what became of a request for the side of a split that it was on.
 *
 * Thread: worker. Only requests that a target has answered, or should have: what the gateway
 * refuses says nothing about a side, nor does a client that leaves before anything came.
 */
import { httpStatusOfGrpc } from '../../base/grpc-status.js';
import { latencyBucket } from '../../base/latency-buckets.js';
import type { RolloutWriter } from '../../channel/coordinator/rollout-memory.js';
import type { Exchange } from '../exchange/exchange.js';
import { NO_GRPC_STATUS } from '../exchange/grpc-call.js';
import type { MeasuredSide } from '../route/worker-route.js';

const NOT_JUDGED = -1;
const GOOD = 0;
const BAD = 1;

type Judgement = typeof NOT_JUDGED | typeof GOOD | typeof BAD;

/** The exchange is over. */
export function countSide(
  rollouts: Pick<RolloutWriter, 'count'>,
  { rollout, side }: MeasuredSide,
  exchange: Exchange,
): void {
  const judgement = judge(exchange);
  if (judgement === NOT_JUDGED) return;
  const { upstreamMs } = exchange.tries;
  const bucket = upstreamMs === -1 ? -1 : latencyBucket(upstreamMs);
  rollouts.count(rollout, side, judgement === BAD, bucket);
}

function judge(exchange: Exchange): Judgement {
  const { reply, tries } = exchange;
  if (reply.problem !== null) return reply.problem.source === 'upstream' ? BAD : NOT_JUDGED;
  if (tries.answeringTarget === -1 || tries.answerStatus === 0) return NOT_JUDGED;
  // Its target broke off.
  if (reply.isCut) return BAD;
  return statusOf(exchange) >= 500 ? BAD : GOOD;
}

/** Of the target, whatever filters make of it. */
function statusOf({ grpc, tries }: Exchange): number {
  if (grpc === null || grpc.status === NO_GRPC_STATUS) return tries.answerStatus;
  return httpStatusOfGrpc(grpc.status);
}
