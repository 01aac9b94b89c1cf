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
import type { IdentityNotice } from '../channel/identity-messages.js';
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
import { ipFilterStep } from '../filters/ip-filter/ip-filter.js';
import { versionChooser } from '../filters/versioning/version-choice.js';
import { createAccessLog } from '../observability/access-log.js';
import type { ThreadLogger } from '../observability/logger.js';
import { RouteTable } from '../routing/route-table.js';
import { CoordinatorClient } from './coordinator-client.js';
import { DEADLINE_TICK_MS, DeadlineWheel } from './deadline-wheel.js';
import type { Exchange } from './exchange.js';
import { ExchangeLedger } from './exchange-ledger.js';
import { FilterRunner } from './filter-runner.js';
import { IdentityDesk } from './identity-desk.js';
import type { LaneTask } from './lane-task.js';
import { ReplyFilters } from './reply-filters.js';
import { ReplyWriter } from './reply-writer.js';
import { RequestPipeline } from './request-pipeline.js';
import { RetryLoop } from './retry-loop.js';
import { RetryPlanner } from './retry-planner.js';
import { type LoadedFilters, loadFilters } from './route-filters.js';
import { RouteMatcher } from './route-matcher.js';
import { TargetGrants } from './target-grants.js';
import { TargetPreference } from './target-preference.js';
import { Forwarder } from './upstream/forwarder.js';
import { TrustedProxies } from './upstream/trusted-proxies.js';
import { loadUndici, type UndiciTransport } from './upstream/upstream-connections.js';
import { compileWorkerRoutes, routePatterns } from './worker-route.js';

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

/** What is loaded only where the configuration needs it. */
type LoadedParts = [IdentityDesk, UndiciTransport | null, LoadedFilters];

export class WorkerRuntime implements RecordHandler {
  private readonly identity: IdentityDesk;
  private readonly lane: LaneEnd;
  private readonly coordinator: CoordinatorClient;
  private readonly pipeline: RequestPipeline;
  private readonly forwarder: Forwarder;
  private readonly replies: ReplyWriter;
  private readonly wheel = new DeadlineWheel(monotonicMs());
  private readonly ticker: NodeJS.Timeout;
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
    const loaded = await Promise.all([
      IdentityDesk.create(task),
      loadUndici(task.config.targets),
      loadFilters(task.config),
    ]);
    return new WorkerRuntime(task, log, loaded);
  }

  private constructor(
    task: LaneTask,
    private readonly log: ThreadLogger,
    [identity, undici, filters]: LoadedParts,
  ) {
    const { config } = task;
    this.identity = identity;
    const touch = (): void => this.schedule();
    const onError = (error: unknown): void => log.logger.error({ err: error }, 'internal error');
    const trustedProxies = new TrustedProxies(config.trustedProxies);
    const accessLog = createAccessLog(log.access, config.logging.accessLog);
    const ledger = new ExchangeLedger(config, new CounterBlock(task.counters), accessLog);
    this.lane = new LaneEnd(task.memory, 'worker', task.port);
    this.replies = new ReplyWriter(this.lane.producer, monotonicMs, touch, onError);
    const hash = new HalfSipHash(task.hashKey[0], task.hashKey[1]);
    const preference = new TargetPreference(config, hash);
    this.coordinator = this.createCoordinatorClient(task, hash, preference);
    this.forwarder = new Forwarder({
      config,
      trustedProxies,
      ledger,
      replies: this.replies,
      replyFilters: new ReplyFilters({
        replies: this.replies,
        refuse: (exchange, problem, detail) => this.pipeline.refuse(exchange, problem, detail),
        onBroken: (exchange, error) => this.pipeline.onFilterBroken(exchange, error),
      }),
      preference,
      undici,
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
      matcher: new RouteMatcher({
        table: new RouteTable(config.routes.flatMap(routePatterns)),
        routes: compileWorkerRoutes(config, identity.authenticators, filters),
        hardening: config.hardening,
        chooseVersion: config.versioning === null ? null : versionChooser(config.versioning),
        globalStep: config.ipFilter === null ? null : ipFilterStep([config.ipFilter]),
        trustedProxies,
        requestIds: new RequestIdSource(randomBytes(6).toString('hex')),
      }),
      tokens: identity.tokens,
      filters: new FilterRunner(ledger, this.forwarder, {
        wheel: this.wheel,
        nowMs: monotonicMs,
        onSlow: (exchange) => this.pipeline.onSlowUpload(exchange),
      }),
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
    this.ticker = setInterval(() => this.onTick(), DEADLINE_TICK_MS);
  }

  private createCoordinatorClient(
    task: LaneTask,
    hash: HalfSipHash,
    preference: TargetPreference,
  ): CoordinatorClient {
    const end = new CoordinatorWorkerEnd(task.coordinator);
    const targetIndexes = task.config.upstreams.map((upstream) => upstream.targetIndexes);
    const grants = new TargetGrants(targetIndexes, end.targets);
    return new CoordinatorClient(end, grants, hash, preference, monotonicMs, (exchange, reply) =>
      this.pipeline.onVerdict(exchange, reply),
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
    this.isStopped = true;
    clearInterval(this.ticker);
    this.lane.publish();
    this.coordinator.flush();
    await this.forwarder.close();
    await this.identity.close();
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
        this.pipeline.onRequestBody(exchange, bytes, (flags & FLAG_END) !== 0);
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
    const isBehind = this.coordinator.flush() || this.lane.producer.backlogBytes > 0;
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

  private exchangeWithCoordinator(): void {
    this.coordinator.flush();
    this.coordinator.drain();
  }

  /**
   * Replies first: who was answered has met the deadline. Time in which this thread was held up
   * counts against nobody at once: others had no chance to be heard in it.
   */
  private onTick(): void {
    this.coordinator.drain();
    this.deadlineClockMs = Math.min(monotonicMs(), this.deadlineClockMs + CATCH_UP_MS_MAX);
    this.wheel.advance(this.deadlineClockMs);
  }
}
