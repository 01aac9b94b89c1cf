/**
 * The turn in which a worker works, and when it has another one.
 *
 * Thread: worker. A turn reads what has come in, lets the pipeline work, and publishes all that was
 * written in one go. After a few turns without work the worker parks, and is woken by the doorbell.
 * Time is told by a ticker that runs only while somebody waits for a deadline.
 */
import { assertNever } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import type { RecordHandler } from '../channel/byte-ring.js';
import type { CounterBlock } from '../channel/counter-block.js';
import { type LaneEnd, shouldSleep } from '../channel/lane.js';
import { trailerFields } from '../channel/records/field-records.js';
import {
  FLAG_END,
  REQUEST_ABORT,
  REQUEST_BODY,
  REQUEST_END,
  REQUEST_HEAD,
  REQUEST_REPEATS,
  REQUEST_TRAILERS,
  type RequestRecordKind,
  TUNNEL_END,
  TUNNEL_UP,
  WINDOW,
} from '../channel/records/record-kind.js';
import {
  requestBodyBytes,
  requestExpectsContinue,
  requestHeadNumber,
  requestHeadParts,
  requestListener,
  requestProtocol,
  requestReceivedMs,
  requestReplyWindow,
  requestWantsTunnel,
} from '../channel/records/request-head.js';
import { COUNTERS } from '../observability/counters.js';
import type { CoordinatorClient } from './admission/coordinator-client.js';
import type { HeldRefusals } from './admission/held-refusals.js';
import { DEADLINE_TICK_MS, type DeadlineWheel } from './exchange/deadline-wheel.js';
import type { Exchange } from './exchange/exchange.js';
import type { KnownHead, KnownHeads } from './exchange/known-heads.js';
import type { LaneWriter } from './reply/lane-writer.js';
import type { ReplyPath } from './reply/reply-path.js';
import type { RequestPipeline } from './request-pipeline.js';

/**
 * Requests of one turn after which asks are published and replies read: in a burst the coordinator
 * decides while the rest is still being read, and no ask waits for the end of a long turn.
 */
const HEADS_BETWEEN_ASKS = 32;

/** What the deadlines' clock catches up in one tick, after the thread was held up. */
const CATCH_UP_MS_MAX = 2 * DEADLINE_TICK_MS;

const NO_BYTES = Buffer.alloc(0);

/** What has its turn. */
export interface TurnParts {
  readonly clock: Clock;
  readonly lane: LaneEnd;
  readonly pipeline: Pick<
    RequestPipeline,
    | 'inFlight'
    | 'find'
    | 'onRequest'
    | 'onRequestBody'
    | 'onRequestTrailers'
    | 'onRequestAbort'
    | 'onTunnelBytes'
    | 'onTunnelEnd'
  >;
  readonly writer: Pick<LaneWriter, 'isBehind' | 'flushHeads'>;
  readonly replies: Pick<ReplyPath, 'onWindow' | 'onLaneRoom'>;
  readonly coordinator: Pick<CoordinatorClient, 'drain' | 'flush' | 'droppedTells' | 'holdsGrants'>;
  readonly wheel: Pick<DeadlineWheel, 'advance' | 'size'>;
  readonly epochs: {
    /** Some epoch waits to be let go. */
    readonly hasEarlier: boolean;
    /** Lets epochs go of which nothing is left. */
    release(nowMs: number): void;
  };
  readonly heads: Pick<KnownHeads, 'find' | 'keep' | 'clear'>;
  readonly refusals: Pick<HeldRefusals, 'onRepeats' | 'beginLane'>;
  readonly counters: CounterBlock;
  /** A mistake of ours in handling a record; the others go on. */
  onError(error: unknown): void;
}

export class WorkerTurn implements RecordHandler {
  private ticker: Timer | null = null;
  private deadlineClockMs = 0;
  private toldDropped = 0;
  private isScheduled = false;
  private isReading = false;
  /** Since the last turn: whoever writes to this worker wakes it. */
  private isParked = false;
  /** The turn that is scheduled would find nothing to do. */
  private isSettled = false;
  private emptyTurns = 0;
  private headsRead = 0;
  private isStopped = false;
  private readonly onTurn = (): void => {
    this.isScheduled = false;
    if (!this.isSettled) this.run();
  };
  private readonly onTime = (): void => this.tick();

  constructor(private readonly parts: TurnParts) {}

  /** Something was written or asked: it goes out at the end of this turn. */
  schedule(): void {
    this.isSettled = false;
    if (this.isScheduled || this.isReading || this.isStopped) return;
    this.isScheduled = true;
    this.parts.clock.afterTurn(this.onTurn);
  }

  /**
   * An exchange has finished. When it was the only one, its reply goes out inside the call: there
   * is no other that could go with it.
   */
  onFinished(): void {
    const isQuiet = this.isParked && !this.isReading && this.parts.pipeline.inFlight === 0;
    if (!isQuiet || this.parts.writer.isBehind || this.isStopped) {
      this.schedule();
      return;
    }
    this.publish();
    if (this.flushCoordinator()) this.schedule();
    else this.isSettled = true;
  }

  /** One turn. To be called when somebody rang. */
  run(): void {
    if (this.isStopped) return;
    const { lane, writer, replies, pipeline } = this.parts;
    this.isParked = false;
    lane.consumer.unpark();
    const work = this.readAll();
    this.publish();
    if (!writer.isBehind) replies.onLaneRoom();
    const isBehind = this.flushCoordinator();
    this.emptyTurns = work > 0 ? 0 : this.emptyTurns + 1;
    const mayPark = !isBehind && shouldSleep(this.emptyTurns, pipeline.inFlight);
    this.isParked = mayPark && lane.consumer.park();
    if (!this.isParked) this.schedule();
  }

  private publish(): void {
    const { lane, counters } = this.parts;
    if (lane.publish()) counters.add(COUNTERS.laneWakes);
  }

  /** The acceptor has ended: its requests are nobody's, but what it told its clients counts. */
  endLane(): void {
    const { lane, refusals, onError } = this.parts;
    const onRecord = (kind: number): void => {
      try {
        if (kind === REQUEST_REPEATS) refusals.onRepeats();
      } catch (error) {
        onError(error);
      }
    };
    lane.consumer.drain({ onRecord });
  }

  /** The lane has fresh memory, in which nothing has been read. */
  beginLane(): void {
    this.headsRead = 0;
    this.parts.heads.clear();
    this.parts.refusals.beginLane();
    this.run();
  }

  /** Handles what has come in, publishes what that brings, and has no turn any more. */
  stop(): void {
    // What was cut off at the deadline has its record.
    this.drainLane();
    this.isStopped = true;
    this.stopTicking();
    this.parts.lane.publish();
    this.parts.coordinator.flush();
  }

  /** Somebody waits for a deadline. An idle worker sleeps, and is not woken by a clock. */
  startTicking(): void {
    if (this.ticker !== null || this.isStopped) return;
    const { clock } = this.parts;
    this.deadlineClockMs = clock.nowMs();
    this.ticker = clock.every(DEADLINE_TICK_MS, this.onTime);
  }

  // Hot path (bench/gateway/plain-get): every record of every request.
  onRecord(kind: number, flags: number, index: number, generation: number): void {
    const { pipeline, lane } = this.parts;
    const { consumer } = lane;
    const recordKind = kind as RequestRecordKind;
    if (recordKind === REQUEST_HEAD) {
      const listener = requestListener(consumer);
      const known = this.knownHead(listener);
      pipeline.onRequest({
        index,
        generation,
        receivedMs: requestReceivedMs(consumer),
        bodyBytes: requestBodyBytes(consumer),
        isComplete: (flags & FLAG_END) !== 0,
        protocol: requestProtocol(consumer),
        listener,
        expectsContinue: requestExpectsContinue(consumer),
        wantsTunnel: requestWantsTunnel(consumer),
        replyWindow: requestReplyWindow(consumer),
        parts: known === null ? requestHeadParts(consumer) : known.parts,
        known,
      });
      this.headsRead += 1;
      if (this.headsRead % HEADS_BETWEEN_ASKS === 0) this.exchangeWithCoordinator();
      return;
    }
    if (recordKind === REQUEST_REPEATS) {
      this.parts.refusals.onRepeats();
      return;
    }
    // Nobody: the exchange has finished, and this came too late for it.
    const exchange = pipeline.find(index, generation);
    if (exchange !== undefined) this.onExchangeRecord(exchange, recordKind, flags);
  }

  /** null: the head is read for this request alone. */
  private knownHead(listener: number): KnownHead | null {
    const { heads, lane } = this.parts;
    const number = requestHeadNumber(lane.consumer);
    if (number === 0) return null;
    const known = heads.find(number, listener);
    return known ?? heads.keep(number, listener, requestHeadParts(lane.consumer));
  }

  private onExchangeRecord(
    exchange: Exchange,
    kind: Exclude<RequestRecordKind, typeof REQUEST_HEAD | typeof REQUEST_REPEATS>,
    flags: number,
  ): void {
    const { pipeline, replies, lane } = this.parts;
    const { consumer } = lane;
    switch (kind) {
      case REQUEST_BODY:
        pipeline.onRequestBody(exchange, this.payload, (flags & FLAG_END) !== 0);
        break;
      case REQUEST_TRAILERS:
        pipeline.onRequestTrailers(exchange, trailerFields(consumer));
        break;
      case REQUEST_END:
        pipeline.onRequestBody(exchange, NO_BYTES, true);
        break;
      case REQUEST_ABORT:
        pipeline.onRequestAbort(exchange, flags);
        break;
      case WINDOW:
        replies.onWindow(exchange, consumer.int(0));
        break;
      case TUNNEL_UP:
        pipeline.onTunnelBytes(exchange, this.payload);
        break;
      case TUNNEL_END:
        pipeline.onTunnelEnd(exchange);
        break;
      default:
        assertNever(kind);
    }
  }

  /** A view of the record's payload, valid inside the record handler only. */
  private get payload(): Uint8Array {
    const { sharedBytes, payload, payloadBytes } = this.parts.lane.consumer;
    return sharedBytes.subarray(payload, payload + payloadBytes);
  }

  /** What is written meanwhile is published in this turn: no other is needed for it. */
  private readAll(): number {
    this.isReading = true;
    try {
      const records = this.drainLane();
      if (records > 0) this.parts.counters.add(COUNTERS.laneRecords, records);
      const replies = this.parts.coordinator.drain();
      this.parts.writer.flushHeads();
      return records + replies;
    } finally {
      this.isReading = false;
    }
  }

  private drainLane(): number {
    const { lane } = this.parts;
    try {
      return lane.drain(this);
    } catch (error) {
      this.parts.onError(error);
      return 1;
    } finally {
      lane.status.setHeadsRead(this.headsRead | 0);
    }
  }

  private flushCoordinator(): boolean {
    const { coordinator, counters } = this.parts;
    const isBehind = coordinator.flush();
    const { droppedTells } = coordinator;
    if (droppedTells !== this.toldDropped) {
      counters.add(COUNTERS.droppedTells, droppedTells - this.toldDropped);
      this.toldDropped = droppedTells;
    }
    // What is left of a grant goes back in time, even if nothing happens until then.
    if (coordinator.holdsGrants) this.startTicking();
    return isBehind;
  }

  private exchangeWithCoordinator(): void {
    this.parts.coordinator.flush();
    this.parts.coordinator.drain();
  }

  private stopTicking(): void {
    this.ticker?.cancel();
    this.ticker = null;
  }

  /**
   * Replies first: who was answered has met the deadline. Time in which this thread was held up
   * counts against nobody at once: others had no chance to be heard in it.
   */
  private tick(): void {
    const { clock, coordinator, wheel, epochs } = this.parts;
    coordinator.drain();
    this.deadlineClockMs = Math.min(clock.nowMs(), this.deadlineClockMs + CATCH_UP_MS_MAX);
    wheel.advance(this.deadlineClockMs);
    if (epochs.hasEarlier) epochs.release(this.deadlineClockMs);
    if (coordinator.holdsGrants) this.flushCoordinator();
    else if (wheel.size === 0 && !epochs.hasEarlier) this.stopTicking();
  }
}
