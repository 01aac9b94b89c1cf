/**
 * Sheds requests before they are admitted: by the priority of their route when the gateway is
 * nearly full, and by the limit on the concurrency of their upstream.
 *
 * Thread: worker. Owns this worker's counts of what is in flight at upstreams that are adapted.
 * A route without either passes at the cost of two comparisons.
 */
import { latencyBucket } from '../../base/latency-buckets.js';
import { ConcurrencyWriter } from '../../channel/coordinator/concurrency-memory.js';
import type { CoordinatorLaneMemory } from '../../channel/coordinator/coordinator-memory.js';
import { CoordinatorStatus } from '../../channel/coordinator/coordinator-status.js';
import type { LaneEnd } from '../../channel/lane.js';
import { PRESSURE_FULL } from '../../channel/lane-status.js';
import type { GatewaySettings } from '../../config/compiled-config.js';
import type { Exchange } from '../exchange/exchange.js';
import { upstreamOfRoute, type WorkerRoute } from '../route/worker-route.js';

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

  /** The exchange is over, or has left its upstream; `isLate`: which took too long. */
  leave(exchange: Exchange, nowMs: number, isLate = exchange.reply.status === 504): void {
    const { admission, route } = exchange;
    const { enteredMs } = admission;
    if (enteredMs === 0 || route === null) return;
    admission.onEntered(0);
    const writer = this.writerOf(upstreamOfRoute(route).index);
    writer.add(-1);
    const latencyMs = isLate ? nowMs - enteredMs : latencyOf(exchange, enteredMs);
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

/** -1: it says nothing of how loaded the upstream is. A failure that comes fast does not. */
function latencyOf({ reply }: Exchange, enteredMs: number): number {
  const { status, headMs } = reply;
  return headMs === 0 || status >= 500 ? -1 : headMs - enteredMs;
}
