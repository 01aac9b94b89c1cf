/**
 * Sheds requests before they are admitted: by the priority of their route when the gateway is
 * nearly full, and by the limit on the concurrency of their upstream.
 *
 * Thread: worker. Owns this worker's counts of what is in flight at upstreams that are adapted.
 * A route without either passes at the cost of two comparisons.
 */
import { httpStatusOfGrpc } from '../../base/grpc-status.js';
import { latencyBucket } from '../../base/latency-buckets.js';
import { PROBLEMS } from '../../base/problems.js';
import { ConcurrencyWriter } from '../../channel/coordinator/concurrency-memory.js';
import type { CoordinatorLaneMemory } from '../../channel/coordinator/coordinator-memory.js';
import { CoordinatorStatus } from '../../channel/coordinator/coordinator-status.js';
import type { LaneEnd } from '../../channel/lane.js';
import { PRESSURE_FULL } from '../../channel/lane-status.js';
import type { GatewaySettings } from '../../config/compiled-config.js';
import type { Exchange } from '../exchange/exchange.js';
import { NO_GRPC_STATUS } from '../exchange/grpc-call.js';
import { upstreamOfRoute, type WorkerRoute } from '../route/worker-route.js';

const TIMED_OUT = 504;

export class AdmissionGate {
  private readonly status: CoordinatorStatus;
  /** By index of the upstream, made when they are first needed: configurations come and go. */
  private readonly writers: ConcurrencyWriter[] = [];

  constructor(
    private readonly capacity: GatewaySettings['capacity'],
    private readonly memory: CoordinatorLaneMemory,
    private readonly lane: Pick<LaneEnd, 'status'>,
  ) {
    this.status = new CoordinatorStatus(memory.status);
  }

  /** False: the request is to be shed. Else {@link leave} ends what begins here. */
  tryEnter(exchange: Exchange, route: WorkerRoute, nowMs: number): boolean {
    // Whoever is answered here is a load for nobody else, and costs no more than being refused.
    if (route.upstream === null) return true;
    const { shareMax } = route.config;
    if (shareMax < PRESSURE_FULL && this.lane.status.pressure > shareMax) return false;
    const { adaptiveConcurrency, index } = route.upstream;
    // It may be asked for a second time: once with its limits, and once as it needs a target.
    if (adaptiveConcurrency === null || exchange.admission.enteredMs !== 0) return true;
    const writer = this.writerOf(index);
    // Without a limit the coordinator has not looked at this upstream yet.
    const { limit } = writer;
    if (limit !== 0 && writer.inFlight * PRESSURE_FULL >= limit * shareMax) return false;
    writer.add(1);
    exchange.admission.onEntered(nowMs);
    return true;
  }

  /** The exchange is over, or has left its upstream; `isLate`: which is known to be too slow. */
  leave(exchange: Exchange, nowMs: number, isLate = false): void {
    const { admission, route } = exchange;
    const { enteredMs } = admission;
    if (enteredMs === 0 || route === null) return;
    admission.onEntered(0);
    const writer = this.writerOf(upstreamOfRoute(route).index);
    writer.add(-1);
    const isTooLate = isLate || isTimedOut(exchange, nowMs);
    const latencyMs = isTooLate ? nowMs - enteredMs : latencyOf(exchange, enteredMs);
    if (latencyMs >= 0) writer.countLatency(latencyBucket(latencyMs));
  }

  private writerOf(upstreamIndex: number): ConcurrencyWriter {
    const known = this.writers[upstreamIndex];
    if (known !== undefined) return known;
    const { lane, concurrency } = this.memory;
    const place = { lane, slot: upstreamIndex, upstreams: this.capacity.upstreams };
    const writer = new ConcurrencyWriter(concurrency, place, this.status);
    this.writers[upstreamIndex] = writer;
    return writer;
  }
}

/** Whether the upstream took too long, whatever its client got in place of a reply. */
function isTimedOut({ reply, tries, grpc, caching }: Exchange, nowMs: number): boolean {
  const { status, problem } = reply;
  if (caching?.isServing === true && tries.answeringTarget === -1) {
    return tries.lastProblem?.status === TIMED_OUT;
  }
  // A call is told so with 200.
  if (grpc === null || problem?.status !== TIMED_OUT) return status === TIMED_OUT;
  // How long its own client would wait says nothing of the upstream.
  const hasClientLeft = grpc.deadlineMs <= nowMs && !grpc.isRoutesDeadline;
  return problem !== PROBLEMS.routeTimeout || !hasClientLeft;
}

/** -1: it says nothing of how loaded the upstream is, as a stored reply, or a fast failure. */
function latencyOf({ reply, tries, grpc }: Exchange, enteredMs: number): number {
  const { status, headMs } = reply;
  if (headMs === 0 || tries.answeringTarget === -1) return -1;
  const isCall = grpc !== null && grpc.status !== NO_GRPC_STATUS;
  const callStatus = isCall ? httpStatusOfGrpc(grpc.status) : status;
  const isFailure = Math.max(status, tries.answerStatus, callStatus) >= 500;
  return isFailure ? -1 : headMs - enteredMs;
}
