/**
 * Everything that one worker thread has, and the turn in which it works.
 *
 * Thread: worker. Owns its end of the lane and of the coordinator's channel. A turn reads what has
 * come in, lets the pipeline work, and publishes all that was written in one go. After a few turns
 * without work it parks, and is woken by the doorbell.
 */
import { randomBytes } from 'node:crypto';
import { monotonicMs } from '../base/clock.js';
import { HalfSipHash } from '../base/half-sip-hash.js';
import { RequestIdSource } from '../base/request-id.js';
import type { RecordHandler } from '../channel/byte-ring.js';
import { CoordinatorWorkerEnd } from '../channel/coordinator-channel.js';
import { CounterBlock } from '../channel/counter-block.js';
import { LaneEnd } from '../channel/lane.js';
import {
  FLAG_ANSWERED,
  FLAG_END,
  REQUEST_ABORT,
  REQUEST_BODY,
  REQUEST_END,
  REQUEST_HEAD,
  WINDOW,
} from '../channel/records/record-kind.js';
import {
  requestBodyBytes,
  requestHeadParts,
  requestReceivedMs,
} from '../channel/records/request-head.js';
import type { JwtAuthenticator } from '../filters/authentication/jwt-authenticator.js';
import { createAccessLog } from '../observability/access-log.js';
import type { ThreadLogger } from '../observability/logger.js';
import { RouteTable } from '../routing/route-table.js';
import { CoordinatorClient } from './coordinator-client.js';
import { DEADLINE_TICK_MS, DeadlineWheel } from './deadline-wheel.js';
import type { Exchange } from './exchange.js';
import { ExchangeLedger } from './exchange-ledger.js';
import type { LaneTask } from './lane-task.js';
import { ReplyWriter } from './reply-writer.js';
import { RequestPipeline } from './request-pipeline.js';
import { RetryLoop } from './retry-loop.js';
import { RetryPlanner } from './retry-planner.js';
import { TargetGrants } from './target-grants.js';
import { TargetPreference } from './target-preference.js';
import { Forwarder } from './upstream/forwarder.js';
import { TrustedProxies } from './upstream/trusted-proxies.js';
import { compileWorkerRoutes } from './worker-route.js';

/** Turns without work before the worker parks. */
const EMPTY_TURNS_MAX = 1;

/**
 * Requests of one turn after which asks are published and replies read: in a burst the coordinator
 * decides while the rest is still being read, and no ask waits for the end of a long turn.
 */
const HEADS_BETWEEN_ASKS = 32;

/** What the deadlines' clock catches up in one tick, after the thread was held up. */
const CATCH_UP_MS_MAX = 2 * DEADLINE_TICK_MS;

const NO_BYTES = Buffer.alloc(0);

export class WorkerRuntime implements RecordHandler {
  private readonly lane: LaneEnd;
  private readonly coordinator: CoordinatorClient;
  private readonly pipeline: RequestPipeline;
  private readonly forwarder: Forwarder;
  private readonly replies: ReplyWriter;
  private readonly wheel = new DeadlineWheel(monotonicMs(), () => this.startTicking());
  private readonly ledger: ExchangeLedger;
  private ticker: NodeJS.Timeout | null = null;
  private toldDropped = 0;
  private isScheduled = false;
  private emptyTurns = 0;
  private headsRead = 0;
  private deadlineClockMs = monotonicMs();
  private isStopped = false;
  private readonly onTurn = (): void => {
    this.isScheduled = false;
    this.turn();
  };

  static async create(task: LaneTask, log: ThreadLogger): Promise<WorkerRuntime> {
    return new WorkerRuntime(task, log, await createAuthenticators(task));
  }

  private constructor(
    task: LaneTask,
    private readonly log: ThreadLogger,
    authenticators: readonly JwtAuthenticator[],
  ) {
    const { config } = task;
    const touch = (): void => this.schedule();
    const onError = (error: unknown): void => log.logger.error({ err: error }, 'internal error');
    const trustedProxies = new TrustedProxies(config.trustedProxies);
    const accessLog = createAccessLog(log.access, config.logging.accessLog);
    const ledger = new ExchangeLedger(config, new CounterBlock(task.counters), accessLog);
    this.ledger = ledger;
    this.lane = new LaneEnd(task.memory, 'worker', task.port);
    this.replies = new ReplyWriter(this.lane.producer, monotonicMs, touch);
    const hash = new HalfSipHash(task.hashKey[0], task.hashKey[1]);
    const preference = new TargetPreference(config, hash);
    this.coordinator = this.createCoordinatorClient(task, hash, preference);
    this.forwarder = new Forwarder({
      config,
      trustedProxies,
      ledger,
      replies: this.replies,
      preference,
      nowMs: monotonicMs,
    });
    const tries = new RetryLoop({
      planner: new RetryPlanner(config, ledger, Math.random),
      forwarder: this.forwarder,
      coordinator: this.coordinator,
      ledger,
      wheel: this.wheel,
      nowMs: monotonicMs,
      unixMs: Date.now,
      touch,
      onReplyComplete: (exchange) => this.pipeline.onReplyComplete(exchange),
      onFailed: (exchange, problem) => this.pipeline.onTriesFailed(exchange, problem),
      onError,
    });
    this.pipeline = new RequestPipeline({
      routeTable: new RouteTable(config.routes),
      routes: compileWorkerRoutes(config, authenticators),
      trustedProxies,
      requestIds: new RequestIdSource(randomBytes(6).toString('hex')),
      coordinator: this.coordinator,
      forwarder: this.forwarder,
      tries,
      replies: this.replies,
      ledger,
      wheel: this.wheel,
      nowMs: monotonicMs,
      touch,
      onError,
    });
  }

  private createCoordinatorClient(
    task: LaneTask,
    hash: HalfSipHash,
    preference: TargetPreference,
  ): CoordinatorClient {
    const end = new CoordinatorWorkerEnd(task.coordinator);
    const targetIndexes = task.config.upstreams.map((upstream) => upstream.targetIndexes);
    const grants = new TargetGrants(targetIndexes, end.targets, end.standings);
    return new CoordinatorClient(end, grants, hash, preference, monotonicMs, (exchange, reply) =>
      this.pipeline.onVerdict(exchange, reply),
    );
  }

  /** The acceptor or the coordinator rang. */
  onDoorbell(): void {
    this.turn();
  }

  /** Ends what is left; the lane is dead after this. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.stopTicking();
    this.lane.publish();
    this.coordinator.flush();
    await this.forwarder.close();
  }

  // Hot path: every record of every request.
  onRecord(kind: number, flags: number, index: number, generation: number): void {
    const { consumer } = this.lane;
    if (kind === REQUEST_HEAD) {
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
    if (exchange !== undefined) this.onExchangeRecord(exchange, kind, flags);
  }

  private onExchangeRecord(exchange: Exchange, kind: number, flags: number): void {
    const { consumer } = this.lane;
    switch (kind) {
      case REQUEST_BODY: {
        const { payload, payloadBytes } = consumer;
        const bytes = consumer.sharedBytes.subarray(payload, payload + payloadBytes);
        // Copied: the target takes its time, and the ring must not wait for it.
        this.pipeline.onRequestBody(exchange, Buffer.from(bytes), (flags & FLAG_END) !== 0);
        break;
      }
      case REQUEST_END:
        this.pipeline.onRequestBody(exchange, NO_BYTES, true);
        break;
      case REQUEST_ABORT:
        this.pipeline.onRequestAbort(exchange, (flags & FLAG_ANSWERED) !== 0);
        break;
      case WINDOW:
        this.forwarder.onWindow(exchange, consumer.int(0));
        break;
      default:
        this.log.logger.error({ kind }, 'unknown record on the lane');
    }
  }

  private schedule(): void {
    if (this.isScheduled || this.isStopped) return;
    this.isScheduled = true;
    setImmediate(this.onTurn);
  }

  private turn(): void {
    if (this.isStopped) return;
    this.lane.consumer.unpark();
    let work = this.drainLane();
    work += this.coordinator.drain();
    this.replies.flushHeads();
    this.lane.publish();
    const isBehind = this.flushCoordinator() || this.lane.producer.backlogBytes > 0;
    this.emptyTurns = work > 0 ? 0 : this.emptyTurns + 1;
    const mayPark = this.emptyTurns > EMPTY_TURNS_MAX && !isBehind;
    if (!mayPark || !this.lane.consumer.park()) this.schedule();
  }

  private drainLane(): number {
    try {
      return this.lane.drain(this);
    } catch (error) {
      this.log.logger.error({ err: error }, 'internal error');
      return 1;
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
    this.deadlineClockMs = monotonicMs();
    this.ticker = setInterval(() => this.onTick(), DEADLINE_TICK_MS);
  }

  private stopTicking(): void {
    if (this.ticker !== null) clearInterval(this.ticker);
    this.ticker = null;
  }

  /**
   * Replies first: who was answered has met the deadline. Time in which this thread was held up
   * counts against nobody at once: others had no chance to be heard in it.
   */
  private onTick(): void {
    this.coordinator.drain();
    this.deadlineClockMs = Math.min(monotonicMs(), this.deadlineClockMs + CATCH_UP_MS_MAX);
    this.wheel.advance(this.deadlineClockMs);
    if (this.coordinator.holdsGrants) this.flushCoordinator();
    else if (this.wheel.size === 0) this.stopTicking();
  }
}

/** The library is loaded only where some route needs it. */
async function createAuthenticators(task: LaneTask): Promise<JwtAuthenticator[]> {
  const { authenticators } = task.config;
  if (authenticators.length === 0) return [];
  const { JwtAuthenticator } = await import('../filters/authentication/jwt-authenticator.js');
  return Promise.all(authenticators.map((config) => JwtAuthenticator.create(config)));
}
