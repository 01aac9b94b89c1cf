/**
 * Decides which requests of a dead worker run again, and keeps them while no lane is served.
 *
 * Thread: acceptor. Owns the waiting requests; they keep their places in the in-flight table. What
 * comes of their bodies is kept with them, up to KEPT_BYTES_MAX for all of them.
 *
 * A request runs again when its worker had not touched it. It also runs again, once, when doing it
 * twice is the same as doing it once, which its exchange knows. The request that the worker was
 * working on when it ended never runs again: this request may have ended the worker, and would end
 * the workers of all lanes one after the other.
 */
import type { Clock, Timer } from '../base/clock.js';
import type { ByteRingProducer, SalvagedRecord } from '../channel/byte-ring.js';
import { LANE_RING_BYTES } from '../channel/lane.js';
import { kindOf } from '../channel/record-header.js';
import { REQUEST_HEAD } from '../channel/records/record-kind.js';
import { decodeRequestHead, type NewRequest } from '../channel/records/request-head.js';
import type { Downstream, InFlightTable } from './in-flight-table.js';

/** The lane of a request that waits for one. */
export const NO_LANE = -1;

/** Parts of bodies that wait: as much as a lane would have taken. */
const KEPT_BYTES_MAX = LANE_RING_BYTES;

/** What keeping a part costs at least: a client may send its body byte by byte. */
const PART_BYTES_MIN = 256;

/** A request, with the part of its body that has come. */
export interface LaneRequest {
  readonly index: number;
  readonly generation: number;
  readonly request: NewRequest;
  /** Records behind the head. */
  readonly rest: SalvagedRecord[];
  /** No worker can have begun with it. */
  readonly isUntouched: boolean;
}

/** What comes of handing a request to a lane. */
export type Sending = 'sent' | 'noLane' | 'noRoom';

interface WaitingRequest extends LaneRequest {
  readonly untilMs: number;
  /** A worker had it, and died. */
  readonly isMoved: boolean;
}

/** Who has the lanes. */
export interface RescueOwner {
  /** Hands the request to a lane that is served. */
  resend(request: LaneRequest): Sending;
  /** How long requests may wait for a lane from now on, in milliseconds; 0: not at all. */
  patienceMs(): number;
}

export class LaneRescue {
  /** How many requests went to another worker. */
  movedCount = 0;
  /** By index, in the order in which they came. */
  private waiting = new Map<number, WaitingRequest>();
  private keptBytes = 0;
  private timer: Timer | null = null;
  private timerMs = 0;

  constructor(
    private readonly table: InFlightTable<Downstream>,
    private readonly waitingMax: number,
    private readonly owner: RescueOwner,
    private readonly clock: Clock,
  ) {}

  /** The worker of this lane has ended for good; `ring` is what it read from. */
  onLaneLost(lane: number, ring: ByteRingProducer): void {
    const untouched = untouchedRequests(ring);
    const suspect = ring.indexAtEnd;
    this.table.forEachOnLane(lane, (downstream, index) => {
      this.table.move(index, NO_LANE);
      const generation = this.table.generationOf(index);
      const found = untouched.get(index);
      if (found?.generation === generation) {
        this.move(found, downstream);
        return;
      }
      const request = index === suspect ? null : downstream.takeRerun();
      if (request === null) downstream.onLaneLost();
      else this.move({ index, generation, request, rest: [], isUntouched: false }, downstream);
    });
  }

  private move(request: LaneRequest, downstream: Downstream): void {
    const sending = this.owner.resend(request);
    if (sending === 'sent') this.movedCount++;
    else if (sending === 'noRoom' || !this.tryWait(request, true)) refuse(request, downstream);
  }

  /**
   * No lane is served now. `isMoved`: a worker had the request, and died. False: it cannot wait
   * either.
   */
  tryWait(request: LaneRequest, isMoved = false): boolean {
    const patienceMs = this.owner.patienceMs();
    const keptBytes = this.keptBytes + bytesOf(request);
    if (this.waiting.size >= this.waitingMax || patienceMs <= 0) return false;
    if (keptBytes > KEPT_BYTES_MAX) return false;
    this.keptBytes = keptBytes;
    const untilMs = this.clock.nowMs() + patienceMs;
    const rest = request.rest.map(ownRecord);
    this.waiting.set(request.index, { ...request, rest, untilMs, isMoved });
    if (this.timer === null || untilMs < this.timerMs) this.startTimer(untilMs);
    return true;
  }

  /** A part of the body of a request that waits; its payload is not used again by the caller. */
  keep(record: SalvagedRecord): void {
    const request = this.waiting.get(record.index);
    if (request === undefined) return;
    request.rest.push(record);
    this.keptBytes += costOf(record);
    if (this.keptBytes <= KEPT_BYTES_MAX) return;
    this.forget(record.index);
    // The caller is in the midst of its upload.
    this.clock.afterTurn(() => this.refuseFound(request));
  }

  /** The request has ended: its index may be another's soon. */
  forget(index: number): void {
    const request = this.waiting.get(index);
    if (request === undefined) return;
    this.waiting.delete(index);
    this.keptBytes -= bytesOf(request);
  }

  private refuseFound(request: LaneRequest): void {
    const downstream = this.table.find(request.index, request.generation);
    if (downstream !== null) refuse(request, downstream);
  }

  private startTimer(untilMs: number): void {
    this.stopTimer();
    this.timerMs = untilMs;
    const delayMs = Math.max(1, untilMs - this.clock.nowMs());
    this.timer = this.clock.after(delayMs, () => this.onTimer());
  }

  /** A lane is served again: the waiting requests go there. */
  onLaneServed(): void {
    const { waiting } = this;
    if (waiting.size === 0) return;
    this.waiting = new Map();
    this.keptBytes = 0;
    this.stopTimer();
    for (const request of waiting.values()) {
      const downstream = this.table.find(request.index, request.generation);
      if (downstream === null) continue;
      if (this.owner.resend(request) !== 'sent') refuse(request, downstream);
      else if (request.isMoved) this.movedCount++;
    }
  }

  private onTimer(): void {
    const nowMs = this.clock.nowMs();
    this.stopTimer();
    const over = [...this.waiting.values()].filter(({ untilMs }) => untilMs <= nowMs);
    for (const request of over) {
      if (this.waiting.get(request.index) !== request) continue;
      this.forget(request.index);
      this.refuseFound(request);
    }
    if (this.waiting.size === 0) return;
    let firstMs = Number.POSITIVE_INFINITY;
    for (const { untilMs } of this.waiting.values()) firstMs = Math.min(firstMs, untilMs);
    this.startTimer(firstMs);
  }

  private stopTimer(): void {
    this.timer?.cancel();
    this.timer = null;
  }
}

/** The memory of the dead lane is another lane's soon. */
function ownRecord(record: SalvagedRecord): SalvagedRecord {
  return { ...record, payload: Buffer.from(record.payload) };
}

function refuse({ isUntouched }: LaneRequest, downstream: Downstream): void {
  if (isUntouched) downstream.onUnserved();
  else downstream.onLaneLost();
}

/** The requests of which the worker has read no record, by index. */
function untouchedRequests(ring: ByteRingProducer): Map<number, LaneRequest> {
  const found = new Map<number, LaneRequest>();
  ring.salvage((record) => {
    const { kindAndFlags, index, generation, payload } = record;
    if (kindOf(kindAndFlags) === REQUEST_HEAD) {
      const request = decodeRequestHead(payload);
      found.set(index, { index, generation, request, rest: [], isUntouched: true });
      return;
    }
    const known = found.get(index);
    if (known?.generation === generation) known.rest.push(record);
  });
  return found;
}

/** Of the part of its body that has come. */
function bytesOf({ rest }: LaneRequest): number {
  return rest.reduce((bytes, record) => bytes + costOf(record), 0);
}

function costOf({ payload }: SalvagedRecord): number {
  return Math.max(PART_BYTES_MIN, payload.length);
}
