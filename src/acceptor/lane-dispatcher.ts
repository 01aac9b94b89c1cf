/**
 * Sends requests down the lanes, and brings their replies back to the exchanges.
 *
 * Thread: acceptor. Owns the acceptor's end of every lane and the in-flight table. Knows nothing
 * of engines: whatever implements Downstream can send a request and get a reply.
 *
 * A cycle reads all replies and publishes all requests of one event loop turn at once. When records
 * came in, the next turn looks again; after a few empty turns the lanes park, and from then on a
 * worker wakes the acceptor when it has written something.
 */
import { defined } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { FieldBlock } from '../base/field-block.js';
import type { LaneFigures } from '../channel/acceptor/acceptor-figures.js';
import {
  LaneEnd,
  type LaneMemory,
  QUIET_EXCHANGES_MAX,
  shouldSleep,
  WINDOW_BYTES,
} from '../channel/lane.js';
import type { Port } from '../channel/port.js';
import { kindWithFlags } from '../channel/record-header.js';
import { writeTrailers } from '../channel/records/field-records.js';
import {
  FLAG_ANSWERED,
  FLAG_CUT,
  FLAG_END,
  REQUEST_ABORT,
  REQUEST_BODY,
  REQUEST_END,
  REQUEST_TRAILERS,
  TUNNEL_END,
  TUNNEL_UP,
  writeBare,
  writeBody,
  writeWindow,
} from '../channel/records/record-kind.js';
import { type NewRequest, tryWriteRequestHead } from '../channel/records/request-head.js';
import type { DispatchRule } from './dispatch-rule.js';
import { DispatchedLane } from './dispatched-lane.js';
import { type Downstream, InFlightTable } from './in-flight-table.js';
import { LaneQueue } from './lane-queue.js';
import {
  type LaneRequest,
  LaneRescue,
  NO_LANE,
  type RescueOwner,
  type Sending,
} from './lane-rescue.js';
import { RefusalRepeater } from './refusal-repeater.js';
import { RepeatAccounts } from './repeat-accounts.js';

/** The part of what may wait in a queue from which on it is a long one. */
const LONG_QUEUE = 0.5;

/** A lane that lost its worker is normally served again long before this time. */
const WAIT_MS_MAX = 5000;

/**
 * Where other acceptors serve. A spare thread takes over a lane in a fraction of it, also on a
 * machine that has much to do; without one the next thread takes longer to start than a client
 * needs to come again.
 */
const SPARE_MS_MAX = 1000;

/** A silent worker is heard of again within this time, or has been ended. */
const SILENCE_MS_MAX = 1500;

const IS_SERVED = -1;

const NO_BYTES = new Uint8Array(0);

/** No lane takes more requests now. */
const NO_ROOM = -2;

/**
 * How an exchange ends: its worker has replied, the client has left or was cut off, the acceptor
 * has answered in the worker's place, or the gateway ends.
 */
export type ExchangeEnd = 'replied' | 'aborted' | 'answered' | 'cut';

/** What the worker is told when the exchange ends in another way than by its reply. */
const ABORT_FLAGS = { aborted: 0, answered: FLAG_ANSWERED, cut: FLAG_CUT } as const;

export class LaneDispatcher implements RescueOwner {
  readonly table: InFlightTable<Downstream>;
  /** Refusals that hold, and need no lane. */
  readonly refusals = new RefusalRepeater();
  readonly repeats: RepeatAccounts;
  private readonly lanes: DispatchedLane[] = [];
  private readonly rescue: LaneRescue;
  /** Workers are told how full the gateway is: some routes are shed before others. */
  isPressureTold = false;
  private isScheduled = false;
  private isReading = false;
  private emptyTurns = 0;
  private isParked = false;
  /** Since when no lane is served; IS_SERVED: one is. */
  private unservedMs: number;
  private readonly onTurn = (): void => {
    this.isScheduled = false;
    this.cycle();
  };

  /** `onError` gets errors of our own code in the handling of a record; the lanes go on. */
  constructor(
    laneCount: number,
    private readonly rule: DispatchRule,
    private readonly onError: (error: unknown) => void,
    private readonly clock: Clock,
  ) {
    const { inFlightMax, cell } = rule;
    this.table = new InFlightTable(inFlightMax, clock, cell);
    this.rescue = new LaneRescue(this.table, inFlightMax, this, clock);
    this.unservedMs = clock.nowMs();
    for (let lane = 0; lane < laneCount; lane++) {
      this.lanes.push(new DispatchedLane(this.table, this.refusals));
    }
    this.repeats = new RepeatAccounts(this.lanes, this.refusals, clock, () => this.schedule());
  }

  /** A worker serves this lane now, with fresh memory. */
  attach(lane: number, memory: LaneMemory, port: Pick<Port, 'postMessage'>): void {
    const dispatched = this.laneAt(lane);
    dispatched.end = new LaneEnd(memory, 'acceptor', port);
    dispatched.queue = new LaneQueue(dispatched.end.status, this.rule, this.clock.nowMs());
    dispatched.isSuspended = false;
    this.unservedMs = IS_SERVED;
    this.rescue.onLaneServed();
    this.schedule();
  }

  /** Nothing is heard of the lane's worker: no more requests go there. */
  suspend(lane: number): void {
    this.laneAt(lane).isSuspended = true;
    this.lookWhoServes();
  }

  /** The worker is heard of again. How long it was silent does not count against its queue. */
  resume(lane: number): void {
    const dispatched = this.laneAt(lane);
    if (dispatched.end === null || !dispatched.isSuspended) return;
    dispatched.isSuspended = false;
    // It may have read much since the last turn.
    this.lookAtQueues();
    dispatched.queue?.markAnew(this.clock.nowMs());
    this.unservedMs = IS_SERVED;
    this.rescue.onLaneServed();
    this.schedule();
  }

  /**
   * The lane's worker has ended for good: its requests go to another worker, or are answered with a
   * problem.
   */
  detach(lane: number): void {
    const dispatched = this.laneAt(lane);
    const { end, abandoned } = dispatched;
    dispatched.abandoned = null;
    // What its clients were told, and it has not counted.
    if (abandoned !== null) this.forgetWorker(dispatched, abandoned);
    if (end === null) return;
    // What it has published is whole, and nobody need do it again.
    if (!this.isReading) this.drain(dispatched);
    this.close(dispatched);
    dispatched.inFlight = 0;
    this.forgetWorker(dispatched, end);
    this.rescue.onLaneLost(lane, end.producer);
  }

  /** The worker at this end has ended for good. */
  private forgetWorker(lane: DispatchedLane, end: LaneEnd): void {
    this.repeats.onLaneLost(lane, end.producer);
    this.refusals.forget(end);
  }

  /** A worker has woken the acceptor. */
  onDoorbell(): void {
    this.cycle();
  }

  /** The lane's worker neither works nor ends: none of its requests may run again. */
  abandon(lane: number): void {
    this.table.forEachOnLane(lane, (downstream) => downstream.onLaneLost());
    const dispatched = this.laneAt(lane);
    dispatched.abandoned = dispatched.end;
    this.close(dispatched);
    this.repeats.onAbandoned(dispatched);
  }

  private close(lane: DispatchedLane): void {
    lane.end = null;
    lane.queue = null;
    // A spare thread is on its way only now.
    if (lane.isSuspended) this.unservedMs = IS_SERVED;
    lane.isSuspended = false;
    this.lookWhoServes();
  }

  private lookWhoServes(): void {
    if (this.unservedMs === IS_SERVED && this.servedLanes === 0) {
      this.unservedMs = this.clock.nowMs();
    }
  }

  /** Asked while no lane is served. */
  patienceMs(): number {
    if (this.rule.cell?.loads.othersServe !== true) return WAIT_MS_MAX;
    const isSilent = this.lanes.some(({ isSuspended }) => isSuspended);
    const allMs = SPARE_MS_MAX + (isSilent ? SILENCE_MS_MAX : 0);
    return this.unservedMs + allMs - this.clock.nowMs();
  }

  /**
   * No spare thread has taken over a lane, while other acceptors serve: clients are better off with
   * another connection, which may come to one of those.
   */
  get isForsaken(): boolean {
    return this.unservedMs !== IS_SERVED && this.patienceMs() <= 0;
  }

  /** Requests that went on with another worker after theirs had died. */
  get movedRequests(): number {
    return this.rescue.movedCount;
  }

  /** Lanes that take requests. */
  get servedLanes(): number {
    return this.lanes.reduce((count, lane) => count + (isServed(lane) ? 1 : 0), 0);
  }

  /** Lanes that have a worker; one may be silent for a moment, and then its requests wait. */
  get attendedLanes(): number {
    return this.lanes.reduce((count, { end }) => count + (end === null ? 0 : 1), 0);
  }

  /** No worker is there, or all of them have at least half of what may wait for them. */
  get isStrained(): boolean {
    this.lookAtQueues();
    return this.lanes.every((lane) => !isServed(lane) || (lane.queue?.fill ?? 0) >= LONG_QUEUE);
  }

  figures(): LaneFigures[] {
    return this.lanes.map((lane) => ({
      isServed: isServed(lane),
      inFlight: lane.inFlight,
      staleRecords: lane.staleRecords,
      backlogBytes: lane.end?.producer.backlogBytes ?? 0,
      bodyBlocks: lane.end?.blocks.heldCount ?? 0,
      requestBytes: lane.end?.producer.usedBytes ?? 0,
      replyBytes: lane.end?.consumer.waitingBytes ?? 0,
      records: lane.records,
      wakes: lane.wakes,
    }));
  }

  /**
   * Hands a request to the lane with the fewest in flight. Returns its index in the in-flight
   * table, or -1 when there is no room: the caller sheds it.
   */
  trySend(request: NewRequest, downstream: Downstream): number {
    const lane = this.leastBusyLane();
    if (lane === NO_LANE) return this.tryWait(request, downstream);
    if (lane === NO_ROOM) return -1;
    const dispatched = this.laneAt(lane);
    const { inFlight } = dispatched;
    const index = this.table.tryAdd(downstream, lane);
    if (index === -1) return -1;
    let isSent = false;
    try {
      isSent = this.tryWriteHead(index, lane, request);
    } finally {
      if (!isSent) {
        dispatched.inFlight = inFlight;
        this.table.remove(index);
      }
    }
    return isSent ? index : -1;
  }

  /** While no lane is served, a request may wait for one. -1: it may not. */
  private tryWait(request: NewRequest, downstream: Downstream): number {
    const index = this.table.tryAdd(downstream, NO_LANE);
    if (index === -1) return -1;
    const generation = this.table.generationOf(index);
    const { receivedMs, bodyBytes, protocol, listener, expectsContinue, wantsTunnel } = request;
    const { text, replyWindow = WINDOW_BYTES } = request;
    // A copy: the engine's object serves its next request.
    const origin = { protocol, listener, expectsContinue, wantsTunnel, replyWindow };
    const kept = { receivedMs, bodyBytes, ...origin, text };
    const waiting = { index, generation, request: kept, rest: [], isUntouched: true };
    if (this.rescue.tryWait(waiting)) return index;
    this.table.remove(index);
    return -1;
  }

  private tryWriteHead(index: number, laneIndex: number, request: NewRequest): boolean {
    const lane = this.laneAt(laneIndex);
    const { producer } = defined(lane.end, 'the lane');
    const generation = this.table.generationOf(index);
    this.repeats.beforeHead(lane);
    if (!tryWriteRequestHead(producer, index, generation, request)) return false;
    lane.inFlight++;
    lane.queue?.onSent();
    this.onWritten(lane);
    return true;
  }

  /** Sends a request again that has its place in the table, with the part of its body that came. */
  resend({ index, generation, request, rest }: LaneRequest): Sending {
    const lane = this.leastBusyLane();
    if (lane === NO_LANE) return 'noLane';
    if (lane === NO_ROOM || !this.tryWriteHead(index, lane, request)) return 'noRoom';
    this.table.move(index, lane);
    const { producer } = defined(this.laneAt(lane).end, 'the lane');
    for (const { kindAndFlags, payload } of rest) {
      writeBody(producer, kindAndFlags, index, generation, payload);
    }
    // The head may have gone out by itself.
    this.schedule();
    return 'sent';
  }

  sendBody(index: number, chunk: Uint8Array, isLast: boolean): void {
    const kind = kindWithFlags(REQUEST_BODY, isLast ? FLAG_END : 0);
    const ring = this.producerOf(index);
    if (ring === null) {
      this.keepPart(index, kind, chunk);
      return;
    }
    writeBody(ring, kind, index, this.table.generationOf(index), chunk);
    this.schedule();
  }

  sendEnd(index: number): void {
    if (this.table.laneOf(index) === NO_LANE) this.keepPart(index, REQUEST_END, NO_BYTES);
    else this.sendBare(REQUEST_END, index);
  }

  sendTrailers(index: number, fields: FieldBlock): void {
    const ring = this.producerOf(index);
    if (ring === null) {
      this.keepPart(index, REQUEST_TRAILERS, Buffer.from(fields, 'latin1'));
      return;
    }
    const generation = this.table.generationOf(index);
    writeTrailers(ring, REQUEST_TRAILERS, { index, generation }, fields);
    this.schedule();
  }

  private keepPart(index: number, kindAndFlags: number, bytes: Uint8Array): void {
    const generation = this.table.generationOf(index);
    this.rescue.keep({ kindAndFlags, index, generation, payload: Buffer.from(bytes) });
  }

  sendTunnelBytes(index: number, chunk: Uint8Array): void {
    const ring = this.producerOf(index);
    if (ring === null) return;
    writeBody(ring, TUNNEL_UP, index, this.table.generationOf(index), chunk);
    this.schedule();
  }

  sendTunnelEnd(index: number): void {
    this.sendBare(TUNNEL_END, index);
  }

  sendWindow(index: number, bytes: number): void {
    const ring = this.producerOf(index);
    if (ring === null) return;
    writeWindow(ring, index, this.table.generationOf(index), bytes);
    this.schedule();
  }

  /** The exchange is over for the client; the worker is told when it has not finished. */
  finish(index: number, end: ExchangeEnd): void {
    try {
      if (end !== 'replied') this.sendBare(kindWithFlags(REQUEST_ABORT, ABORT_FLAGS[end]), index);
    } finally {
      const lane = this.table.laneOf(index);
      if (lane === NO_LANE) this.rescue.forget(index);
      else this.laneAt(lane).inFlight--;
      this.table.remove(index);
    }
  }

  /**
   * When both ends sleep, the worker is woken at once, and wakes the acceptor when it has replied:
   * nothing is left to do in this turn.
   */
  private onWritten(lane: DispatchedLane): void {
    const isQuiet = this.table.inFlight <= QUIET_EXCHANGES_MAX;
    if (!isQuiet || !this.isParked || this.isScheduled) {
      this.schedule();
      return;
    }
    this.lookAtQueues();
    if (lane.end?.publish() === true) lane.wakes += 1;
    else this.schedule();
  }

  /** At the end of this turn, looks at the lanes and publishes what was written. */
  private schedule(): void {
    if (this.isScheduled || this.isReading) return;
    this.isScheduled = true;
    this.clock.afterTurn(this.onTurn);
  }

  private cycle(): void {
    if (this.isParked) this.unpark();
    // Records that are written meanwhile are published below: they need no other turn.
    this.isReading = true;
    let records = 0;
    for (const lane of this.lanes) records += this.drain(lane);
    this.isReading = false;
    // A worker that is woken by this reads the pressure first.
    this.lookAtQueues();
    for (const lane of this.lanes) if (lane.end?.publish() === true) lane.wakes += 1;
    this.emptyTurns = records > 0 ? 0 : this.emptyTurns + 1;
    const mayPark = shouldSleep(this.emptyTurns, this.table.inFlight);
    if (!mayPark || !this.park()) this.schedule();
  }

  private lookAtQueues(): void {
    const nowMs = this.clock.nowMs();
    const { table, isPressureTold } = this;
    const inFlight = isPressureTold ? table.inFlightOfAll / this.rule.inFlightMax : 0;
    for (const { queue } of this.lanes) {
      queue?.look(nowMs);
      if (isPressureTold) queue?.tellPressure(inFlight);
    }
  }

  private drain(lane: DispatchedLane): number {
    try {
      const records = lane.end?.drain(lane) ?? 0;
      lane.records += records;
      return records;
    } catch (error) {
      this.onError(error);
      return 1;
    }
  }

  /** False: records came in meanwhile. */
  private park(): boolean {
    this.isParked = true;
    for (const lane of this.lanes) {
      if (lane.end !== null && !lane.end.consumer.park()) return false;
    }
    return true;
  }

  private unpark(): void {
    this.isParked = false;
    for (const lane of this.lanes) lane.end?.consumer.unpark();
  }

  private sendBare(kind: number, index: number): void {
    const ring = this.producerOf(index);
    if (ring === null) return;
    writeBare(ring, kind, index, this.table.generationOf(index));
    this.schedule();
  }

  private producerOf(index: number): LaneEnd['producer'] | null {
    const lane = this.table.laneOf(index);
    return lane === NO_LANE ? null : (this.laneAt(lane).end?.producer ?? null);
  }

  // Hot path (bench/gateway/plain-get): there are only a few lanes, so a scan is faster than any
  // structure.
  private leastBusyLane(): number {
    let best = NO_LANE;
    let bestInFlight = Number.POSITIVE_INFINITY;
    for (let lane = 0; lane < this.lanes.length; lane++) {
      const candidate = this.laneAt(lane);
      if (!isServed(candidate) || candidate.inFlight >= bestInFlight) continue;
      if (candidate.queue?.isFull === true) {
        if (best === NO_LANE) best = NO_ROOM;
        continue;
      }
      best = lane;
      bestInFlight = candidate.inFlight;
    }
    return best;
  }

  private laneAt(lane: number): DispatchedLane {
    return defined(this.lanes[lane], 'the lane');
  }
}

function isServed(lane: DispatchedLane): boolean {
  return lane.end !== null && !lane.isSuspended;
}
