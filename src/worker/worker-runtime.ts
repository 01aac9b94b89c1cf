/**
 * Everything that one worker thread has, and the turn in which it works.
 *
 * Thread: worker. Owns its end of the lane and of the coordinator's channel. A turn reads what has
 * come in, lets the pipeline work, and publishes all that was written in one go. After a few turns
 * without work it parks, and is woken by the doorbell.
 */
import { randomBytes } from 'node:crypto';
import { assert, assertNever } from '../base/assert.js';
import type { Clock, Random, Timer } from '../base/clock.js';
import { HalfSipHash } from '../base/half-sip-hash.js';
import { RequestIdSource } from '../base/request-id.js';
import type { RecordHandler } from '../channel/byte-ring.js';
import { CoordinatorWorkerEnd } from '../channel/coordinator/coordinator-channel.js';
import { CounterBlock, refusalRingOffset } from '../channel/counter-block.js';
import type { IdentityNotice } from '../channel/identity-messages.js';
import { LaneEnd, shouldSleep } from '../channel/lane.js';
import {
  FLAG_END,
  REQUEST_ABORT,
  REQUEST_BODY,
  REQUEST_END,
  REQUEST_HEAD,
  REQUEST_TRAILERS,
  type RequestRecordKind,
  TUNNEL_END,
  TUNNEL_UP,
  WINDOW,
} from '../channel/records/record-kind.js';
import {
  requestBodyBytes,
  requestHeadParts,
  requestReceivedMs,
} from '../channel/records/request-head.js';
import { RefusalRingWriter } from '../channel/refusal-ring.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { createAccessLog } from '../observability/access-log.js';
import { COUNTERS, counterCount } from '../observability/counters.js';
import type { ThreadLogger } from '../observability/logger.js';
import { ThreadMeter } from '../observability/thread-meter.js';
import { AdmissionGate } from './admission/admission-gate.js';
import { CoordinatorClient } from './admission/coordinator-client.js';
import { TargetGrants } from './admission/target-grants.js';
import { TargetPreference } from './admission/target-preference.js';
import { DEADLINE_TICK_MS, DeadlineWheel } from './exchange/deadline-wheel.js';
import type { Exchange } from './exchange/exchange.js';
import { ExchangeMetrics } from './exchange-metrics.js';
import { IdentityClient } from './identity/identity-client.js';
import { KnownEpochs } from './known-epochs.js';
import type { LaneTask } from './lane-task.js';
import { ReplyFilters } from './reply/reply-filters.js';
import { ReplyWriter } from './reply/reply-writer.js';
import { FilterRunner } from './request/filter-runner.js';
import { RequestPipeline } from './request-pipeline.js';
import { RequestTracing } from './request-tracing.js';
import { RetryLoop } from './tries/retry-loop.js';
import { RetryPlanner } from './tries/retry-planner.js';
import { Forwarder } from './upstream/forwarder.js';
import { WorkerEpoch } from './worker-epoch.js';

/**
 * Requests of one turn after which asks are published and replies read: in a burst the coordinator
 * decides while the rest is still being read, and no ask waits for the end of a long turn.
 */
const HEADS_BETWEEN_ASKS = 32;

/** What the deadlines' clock catches up in one tick, after the thread was held up. */
const CATCH_UP_MS_MAX = 2 * DEADLINE_TICK_MS;

const NO_BYTES = Buffer.alloc(0);

/** The thread that a worker runs on. */
export interface WorkerHost {
  readonly log: ThreadLogger;
  readonly clock: Clock;
  readonly random: Random;
  /** Nothing is left of an earlier epoch. */
  onReleased(epoch: number): void;
}

interface RuntimeParts {
  readonly tracing: RequestTracing;
  readonly identity: IdentityClient;
  readonly first: WorkerEpoch;
}

export class WorkerRuntime implements RecordHandler {
  private readonly identity: IdentityClient;
  private readonly lane: LaneEnd;
  private readonly coordinator: CoordinatorClient;
  private readonly pipeline: RequestPipeline;
  private readonly forwarder: Forwarder;
  private readonly replies: ReplyWriter;
  private readonly epochs: KnownEpochs;
  private readonly ledger: ExchangeMetrics;
  private readonly planner: RetryPlanner;
  private readonly preference: TargetPreference;
  private readonly grants: TargetGrants;
  private readonly wheel: DeadlineWheel;
  private readonly counters: CounterBlock;
  private readonly meter: ThreadMeter;
  private readonly tracing: RequestTracing;
  private ticker: Timer | null = null;
  private toldDropped = 0;
  private isScheduled = false;
  private isReading = false;
  private emptyTurns = 0;
  private headsRead = 0;
  private deadlineClockMs: number;
  private isStopped = false;
  private readonly onTurn = (): void => {
    this.isScheduled = false;
    this.turn();
  };

  /** Loads what the first configuration needs. Rejects when a part of it cannot be made. */
  static async create(task: LaneTask, host: WorkerHost): Promise<WorkerRuntime> {
    const tracing = new RequestTracing(host);
    await tracing.prepare(task.config);
    const identity = await IdentityClient.create(task, host.clock);
    const first = await WorkerEpoch.create(task.config, identity);
    return new WorkerRuntime(task, host, { identity, first, tracing });
  }

  private constructor(
    task: LaneTask,
    private readonly host: WorkerHost,
    { identity, first, tracing }: RuntimeParts,
  ) {
    const { config } = task;
    const { log, clock, random } = host;
    const { nowMs } = clock;
    this.deadlineClockMs = nowMs();
    this.wheel = new DeadlineWheel(this.deadlineClockMs, () => this.startTicking());
    this.identity = identity;
    this.tracing = tracing;
    const touch = (): void => this.schedule();
    const onError = (error: unknown): void => log.logger.error({ err: error }, 'internal error');
    this.counters = new CounterBlock(task.counters);
    this.meter = new ThreadMeter(clock, this.counters, log.dropped, () => this.lane.status.beat());
    const offset = refusalRingOffset(counterCount(config.capacity));
    const refusals = new RefusalRingWriter(task.counters, offset);
    const outputs = { counters: this.counters, refusals, tracing, clock };
    const ledger = new ExchangeMetrics(config.capacity, outputs);
    this.ledger = ledger;
    this.epochs = new KnownEpochs(first, ({ config: gone }) => {
      identity.release(gone.authenticators).catch(onError);
    });
    this.lane = new LaneEnd(task.memory, 'worker', task.port);
    this.replies = new ReplyWriter(this.lane, nowMs, touch, onError);
    const hash = new HalfSipHash(task.hashKey[0], task.hashKey[1]);
    const end = new CoordinatorWorkerEnd(task.coordinator);
    const preference = new TargetPreference(config, hash);
    this.preference = preference;
    this.grants = new TargetGrants([], end.targets, end.standings);
    this.coordinator = this.createCoordinatorClient(end, hash);
    this.forwarder = new Forwarder({
      blocks: this.lane.blocks,
      ledger,
      replies: this.replies,
      replyFilters: this.createReplyFilters(),
      preference,
      nowMs,
    });
    this.planner = new RetryPlanner(config, ledger, random);
    this.pipeline = new RequestPipeline({
      epochs: this.epochs,
      requestIds: new RequestIdSource(randomBytes(6).toString('hex')),
      tokens: identity.tokens,
      filters: new FilterRunner(ledger, this.forwarder, {
        wheel: this.wheel,
        nowMs,
        onSlow: (exchange) => this.pipeline.onSlowUpload(exchange),
      }),
      coordinator: this.coordinator,
      gate: new AdmissionGate(config.capacity, task.coordinator, this.lane.status),
      forwarder: this.forwarder,
      tries: this.createTries(touch, onError),
      replies: this.replies,
      ledger,
      wheel: this.wheel,
      nowMs,
      unixMs: clock.unixMs,
      touch,
      onError,
    });
    this.adopt(first);
  }

  /** Compiles a configuration aside. Rejects when it cannot be used; nothing has changed then. */
  async prepare(config: CompiledConfig): Promise<void> {
    await this.tracing.prepare(config);
    this.epochs.prepare(await WorkerEpoch.create(config, this.identity));
  }

  /** Requests that begin from now on do so under the prepared epoch. False: there is none. */
  commit(epoch: number): boolean {
    const next = this.epochs.commit(epoch);
    if (next === null) return false;
    this.adopt(next);
    this.startTicking();
    return true;
  }

  /** What is kept by row takes over what is the same, and begins anew with what is not. */
  private adopt(epoch: WorkerEpoch): void {
    const { config } = epoch;
    const { log, random } = this.host;
    log.logger.level = config.logging.level;
    this.tracing.adopt(config);
    this.ledger.adopt(config, createAccessLog(log, config.logging, random));
    this.forwarder.adopt(epoch);
    this.planner.adopt(config);
    this.preference.adopt(config);
    this.grants.adopt(config.upstreams);
    this.coordinator.forgetRefusals();
  }

  /** Lets epochs go of which nothing is left. What was told under them is sent first. */
  private releaseEpochs(nowMs: number): void {
    if (this.coordinator.flush()) return;
    for (const epoch of this.epochs.release(nowMs)) {
      this.forwarder.keepOnly(this.epochs.targetIndexes());
      this.host.onReleased(epoch);
    }
  }

  private createReplyFilters(): ReplyFilters {
    return new ReplyFilters({
      replies: this.replies,
      refuse: (exchange, problem, detail) => this.pipeline.refuse(exchange, problem, detail),
      onBroken: (exchange, error) => this.pipeline.onFilterBroken(exchange, error),
    });
  }

  private createTries(touch: () => void, onError: (error: unknown) => void): RetryLoop {
    const { nowMs, unixMs } = this.host.clock;
    return new RetryLoop({
      planner: this.planner,
      forwarder: this.forwarder,
      coordinator: this.coordinator,
      ledger: this.ledger,
      wheel: this.wheel,
      nowMs,
      unixMs,
      touch,
      onReplyComplete: (exchange) => this.pipeline.onReplyComplete(exchange),
      onFailed: (exchange, problem) => this.pipeline.onTriesFailed(exchange, problem),
      onError,
    });
  }

  private createCoordinatorClient(end: CoordinatorWorkerEnd, hash: HalfSipHash): CoordinatorClient {
    const { grants, preference } = this;
    return new CoordinatorClient(
      end,
      grants,
      hash,
      preference,
      this.host.clock.nowMs,
      (exchange, reply) => this.pipeline.onVerdict(exchange, reply),
    );
  }

  /** The acceptor or the coordinator rang. */
  onDoorbell(): void {
    this.turn();
  }

  /** The main thread has keys, revocations, or tokens. */
  onIdentityNotice(notice: IdentityNotice): void {
    this.identity.onNotice(notice);
  }

  /** Ends what is left; the lane is dead after this. */
  async stop(): Promise<void> {
    // What was cut off at the deadline has its record.
    this.drainLane();
    this.isStopped = true;
    this.stopTicking();
    this.lane.publish();
    this.coordinator.flush();
    await Promise.all([this.forwarder.close(), this.tracing.close()]);
    await this.identity.close();
    await this.host.log.end();
    // Until here it beats: a thread that ends slowly does not hang.
    this.meter.stop();
  }

  // Hot path: every record of every request.
  onRecord(kind: number, flags: number, index: number, generation: number): void {
    const { consumer } = this.lane;
    const recordKind = kind as RequestRecordKind;
    if (recordKind === REQUEST_HEAD) {
      this.pipeline.onRequest({
        index,
        generation,
        receivedMs: requestReceivedMs(consumer),
        bodyBytes: requestBodyBytes(consumer),
        isComplete: (flags & FLAG_END) !== 0,
        parts: requestHeadParts(consumer),
      });
      this.headsRead += 1;
      if (this.headsRead % HEADS_BETWEEN_ASKS === 0) this.exchangeWithCoordinator();
      return;
    }
    // Nobody: the exchange has finished, and this came too late for it.
    const exchange = this.pipeline.find(index, generation);
    if (exchange !== undefined) this.onExchangeRecord(exchange, recordKind, flags);
  }

  private onExchangeRecord(
    exchange: Exchange,
    kind: Exclude<RequestRecordKind, typeof REQUEST_HEAD>,
    flags: number,
  ): void {
    const { consumer } = this.lane;
    switch (kind) {
      case REQUEST_BODY: {
        const { payload, payloadBytes } = consumer;
        const bytes = consumer.sharedBytes.subarray(payload, payload + payloadBytes);
        this.pipeline.onRequestBody(exchange, bytes, (flags & FLAG_END) !== 0);
        break;
      }
      case REQUEST_END:
      case REQUEST_TRAILERS:
        // No connection to a target carries trailers: only the end of the body goes on.
        this.pipeline.onRequestBody(exchange, NO_BYTES, true);
        break;
      case REQUEST_ABORT:
        this.pipeline.onRequestAbort(exchange, flags);
        break;
      case WINDOW:
        this.forwarder.onWindow(exchange, consumer.int(0));
        break;
      case TUNNEL_UP:
      case TUNNEL_END:
        assert(false, 'no exchange is a tunnel: no route opens one');
        break;
      default:
        assertNever(kind);
    }
  }

  private schedule(): void {
    if (this.isScheduled || this.isReading || this.isStopped) return;
    this.isScheduled = true;
    this.host.clock.afterTurn(this.onTurn);
  }

  private turn(): void {
    if (this.isStopped) return;
    this.lane.consumer.unpark();
    const work = this.readAll();
    if (this.lane.publish()) this.counters.add(COUNTERS.laneWakes);
    if (!this.replies.isBehind) this.forwarder.onLaneRoom();
    const isBehind = this.flushCoordinator();
    this.emptyTurns = work > 0 ? 0 : this.emptyTurns + 1;
    const mayPark = !isBehind && shouldSleep(this.emptyTurns, this.pipeline.inFlight);
    if (!mayPark || !this.lane.consumer.park()) this.schedule();
  }

  /** What is written meanwhile is published in this turn: no other is needed for it. */
  private readAll(): number {
    this.isReading = true;
    try {
      const records = this.drainLane();
      if (records > 0) this.counters.add(COUNTERS.laneRecords, records);
      const replies = this.coordinator.drain();
      this.replies.flushHeads();
      return records + replies;
    } finally {
      this.isReading = false;
    }
  }

  private drainLane(): number {
    try {
      return this.lane.drain(this);
    } catch (error) {
      this.host.log.logger.error({ err: error }, 'internal error');
      return 1;
    } finally {
      this.lane.status.setHeadsRead(this.headsRead | 0);
    }
  }

  private flushCoordinator(): boolean {
    const isBehind = this.coordinator.flush();
    const { droppedTells } = this.coordinator;
    if (droppedTells !== this.toldDropped) {
      this.ledger.countDroppedTells(droppedTells - this.toldDropped);
      this.toldDropped = droppedTells;
    }
    // What is left of a grant goes back in time, even if nothing happens until then.
    if (this.coordinator.holdsGrants) this.startTicking();
    return isBehind;
  }

  private exchangeWithCoordinator(): void {
    this.coordinator.flush();
    this.coordinator.drain();
  }

  /** Time is told only while somebody waits for it: an idle worker sleeps. */
  private startTicking(): void {
    if (this.ticker !== null || this.isStopped) return;
    const { clock } = this.host;
    this.deadlineClockMs = clock.nowMs();
    this.ticker = clock.every(DEADLINE_TICK_MS, () => this.onTick());
  }

  private stopTicking(): void {
    this.ticker?.cancel();
    this.ticker = null;
  }

  /**
   * Replies first: who was answered has met the deadline. Time in which this thread was held up
   * counts against nobody at once: others had no chance to be heard in it.
   */
  private onTick(): void {
    this.coordinator.drain();
    this.deadlineClockMs = Math.min(
      this.host.clock.nowMs(),
      this.deadlineClockMs + CATCH_UP_MS_MAX,
    );
    this.wheel.advance(this.deadlineClockMs);
    if (this.epochs.hasEarlier) this.releaseEpochs(this.deadlineClockMs);
    if (this.coordinator.holdsGrants) this.flushCoordinator();
    else if (this.wheel.size === 0 && !this.epochs.hasEarlier) this.stopTicking();
  }
}
