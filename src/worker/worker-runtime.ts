/**
 * Everything that one worker thread has, put together; and how it goes from one configuration to
 * the next.
 *
 * Thread: worker. Owns its end of the lane and of the coordinator's channel. What it does with what
 * comes in is in worker-turn.ts.
 */
import type { Clock, Random, Timer } from '../base/clock.js';
import { DroppedMemory } from '../base/dropped-memory.js';
import { HalfSipHash } from '../base/half-sip-hash.js';
import { PROBLEMS } from '../base/problems.js';
import { RequestIdSource } from '../base/request-id.js';
import { CacheStore } from '../channel/cache/cache-store.js';
import { FetchLeases } from '../channel/cache/fetch-leases.js';
import { HotBodies } from '../channel/cache/hot-bodies.js';
import { ReplyRelays } from '../channel/cache/reply-relays.js';
import { CoordinatorWorkerEnd } from '../channel/coordinator/coordinator-channel.js';
import { RolloutWriter } from '../channel/coordinator/rollout-memory.js';
import { CounterBlock, refusalRingOffset } from '../channel/counter-block.js';
import type { IdentityNotice } from '../channel/identity-messages.js';
import { LaneEnd, type LaneMemory } from '../channel/lane.js';
import type { LineRingWriter } from '../channel/line-ring.js';
import type { Port } from '../channel/port.js';
import { recordRing } from '../channel/record-ring.js';
import { RefusalRingWriter } from '../channel/refusal-ring.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import { openConfig, type SharedConfig, sharedBytesOf } from '../config/shared/shared-config.js';
import { Compressions } from '../filters/compression/compressions.js';
import type { LocalReply } from '../filters/local-reply.js';
import { createRequestLog } from '../observability/access-log.js';
import { counterCount } from '../observability/counters.js';
import type { ThreadLogger } from '../observability/logger.js';
import { watchQuietHeap } from '../observability/quiet-heap.js';
import { ThreadMeter } from '../observability/thread-meter.js';
import { AdmissionGate } from './admission/admission-gate.js';
import { CoordinatorClient } from './admission/coordinator-client.js';
import { HeldRefusals } from './admission/held-refusals.js';
import { TargetGrants } from './admission/target-grants.js';
import { TargetPreference } from './admission/target-preference.js';
import { CacheLink } from './cache/cache-link.js';
import { DeadlineWheel } from './exchange/deadline-wheel.js';
import type { Exchange } from './exchange/exchange.js';
import { KnownHeads } from './exchange/known-heads.js';
import { IdentityClient } from './identity/identity-client.js';
import { KnownEpochs } from './known-epochs.js';
import type { LaneTask } from './lane-task.js';
import { type MirrorParts, Mirrors } from './mirror/mirrors.js';
import type { WorkerPlugins } from './plugins/worker-plugins.js';
import { LaneWriter } from './reply/lane-writer.js';
import { ReplyPath } from './reply/reply-path.js';
import { FaultInjection } from './request/fault-injection.js';
import { FilterRunner } from './request/filter-runner.js';
import { loopIdOf } from './request/loop-guard.js';
import { RequestPipeline } from './request-pipeline.js';
import { CompressionCounts } from './telemetry/compression-counts.js';
import { ExchangeMetrics, type MetricsOutputs } from './telemetry/exchange-metrics.js';
import { RequestTracing } from './telemetry/request-tracing.js';
import { RetryLoop } from './tries/retry-loop.js';
import type { RetryLoopParts } from './tries/retry-loop-parts.js';
import { RetryPlanner } from './tries/retry-planner.js';
import { Tunnels } from './tunnel/tunnels.js';
import { Forwarder } from './upstream/forwarder.js';
import type { ConnectTarget } from './upstream/upstream-connections.js';
import { type EpochHost, WorkerEpoch } from './worker-epoch.js';
import { WorkerTurn } from './worker-turn.js';

/** The thread that a worker runs on. */
export interface WorkerHost {
  readonly log: ThreadLogger;
  readonly clock: Clock;
  readonly random: Random;
  /** What the ids of its requests begin with; no other thread has the same. */
  readonly requestIdPrefix: string;
  /** How targets are reached. */
  readonly connect: ConnectTarget;
}

interface RuntimeParts {
  readonly tracing: RequestTracing;
  readonly identity: IdentityClient;
  readonly first: WorkerEpoch;
  readonly epochHost: EpochHost;
  readonly plugins: WorkerPlugins;
  /** Nothing is left of an earlier epoch. */
  readonly onReleased: (epoch: number) => void;
}

export class WorkerRuntime {
  private readonly lane: LaneEnd;
  private readonly coordinator: CoordinatorClient;
  private readonly pipeline: RequestPipeline;
  private readonly forwarder: Forwarder;
  private readonly writer: LaneWriter;
  private readonly replies: ReplyPath;
  private readonly epochs: KnownEpochs;
  private readonly ledger: ExchangeMetrics;
  private readonly planner: RetryPlanner;
  private readonly preference: TargetPreference;
  private readonly grants: TargetGrants;
  private readonly wheel: DeadlineWheel;
  private readonly counters: CounterBlock;
  /** null: records are not kept for a replay. */
  private readonly records: LineRingWriter | null;
  private readonly meter: ThreadMeter;
  private readonly heapWatch: Timer;
  private readonly heads = new KnownHeads();
  private readonly refusals: HeldRefusals;
  private readonly turn: WorkerTurn;
  private readonly cache: CacheLink;
  private readonly dropped = new DroppedMemory();

  /**
   * Loads what the first configuration needs. Rejects when a part of it cannot be made.
   * `onReleased`: nothing is left of an earlier epoch.
   */
  static async create(
    task: LaneTask,
    host: WorkerHost,
    { plugins, onReleased }: Pick<RuntimeParts, 'plugins' | 'onReleased'>,
  ): Promise<WorkerRuntime> {
    const tracing = new RequestTracing(host);
    const config = openConfig(task.config);
    await tracing.prepare(config);
    tracing.adopt(config);
    const identity = await IdentityClient.create({ ...task, config }, host.clock, (request) =>
      task.port.postMessage({ type: 'identity', request }),
    );
    const loopId = loopIdOf(new HalfSipHash(...task.hashKey));
    const compressions = new Compressions({
      ledger: new CompressionCounts(new CounterBlock(task.counters)),
      afterTurn: host.clock.afterTurn,
      openMax: config.limits.compressions,
    });
    const epochHost = { loopId, compressions, plugins };
    const first = await WorkerEpoch.create(config, identity, host.clock.unixMs, epochHost);
    plugins.onServing();
    const parts = { identity, first, tracing, epochHost, plugins, onReleased };
    const runtime = new WorkerRuntime(task, host, parts);
    for (const notice of task.notices) {
      if (notice.type === 'workload') runtime.onIdentityNotice(notice);
    }
    return runtime;
  }

  private constructor(
    private readonly task: LaneTask,
    private readonly host: WorkerHost,
    private readonly parts: RuntimeParts,
  ) {
    const { identity, first, tracing } = parts;
    const { log, clock, random } = host;
    const { config } = first;
    const { nowMs } = clock;
    this.wheel = new DeadlineWheel(nowMs(), () => this.turn.startTicking());
    const touch = (): void => this.turn.schedule();
    const onError = (error: unknown): void => log.logger.error({ err: error }, 'internal error');
    this.counters = new CounterBlock(task.counters);
    this.meter = new ThreadMeter(clock, this.counters, log.dropped, () => this.lane.status.beat());
    this.heapWatch = watchQuietHeap(clock);
    this.records = recordRing(task.counters, counterCount(config.capacity));
    const outputs = { ...writersOf(task, config), counters: this.counters, tracing, clock };
    this.ledger = new ExchangeMetrics(config.capacity, outputs);
    const { ledger } = this;
    this.epochs = new KnownEpochs(first, (epoch) => {
      this.heads.clear();
      this.refusals.release(epoch);
      identity.release(epoch.config.authenticators).catch(onError);
      parts.plugins.release(epoch.config.plugins);
    });
    this.lane = new LaneEnd(task.memory, 'worker', task.doorbell);
    this.writer = new LaneWriter(this.lane, nowMs, touch);
    this.replies = this.createReplyPath(onError);
    const hash = new HalfSipHash(...task.hashKey);
    const end = new CoordinatorWorkerEnd(task.coordinator);
    this.preference = new TargetPreference(config, hash, end.slots);
    this.grants = new TargetGrants([], end.targets, end.standings);
    this.coordinator = this.createCoordinatorClient(end, hash);
    this.refusals = this.createRefusals();
    this.forwarder = new Forwarder({
      lane: this.lane,
      connect: host.connect,
      slots: end.slots,
      onTarget: (target) => ledger.nameTarget(target),
      nowMs,
      onConnected: () => ledger.countConnect(),
      giveWindow: (exchange, bytes) => this.writer.giveWindow(exchange, bytes),
      wantBody: (exchange) => this.writer.wantBody(exchange),
      converse: (exchange) => this.writer.converse(exchange),
    });
    this.planner = new RetryPlanner(config, ledger, random);
    this.cache = this.createCache(task);
    const gate = new AdmissionGate(config.capacity, task.coordinator, this.lane);
    const tries = this.createTries({ gate, touch, onError });
    this.pipeline = new RequestPipeline({
      epochs: this.epochs,
      requestIds: new RequestIdSource(host.requestIdPrefix),
      tokens: identity.tokens,
      filters: this.createFilters(),
      plugins: parts.plugins.forRequests((one, reply) => this.pipeline.onPluginsDone(one, reply)),
      coordinator: this.coordinator,
      refusals: this.refusals,
      rollouts: outputs.rollouts,
      gate,
      cache: this.cache,
      forwarder: this.forwarder,
      tries,
      mirrors: this.createMirrors(task, { gate, tries }),
      faults: new FaultInjection({ wheel: this.wheel, ledger, random, nowMs }),
      replies: this.replies,
      tunnels: this.createTunnels(),
      ...{ ledger, nowMs, touch, onError },
      onFinished: () => this.turn.onFinished(),
      wheel: this.wheel,
      unixMs: clock.unixMs,
    });
    this.turn = this.createTurn(onError);
    this.adopt(first);
  }

  /** Compiles a configuration aside. Rejects when it cannot be used; nothing has changed then. */
  async prepare(shared: SharedConfig): Promise<void> {
    const config = openConfig(shared);
    this.dropped.replacedBy(sharedBytesOf(shared));
    await this.parts.tracing.prepare(config);
    const { unixMs } = this.host.clock;
    const { identity, epochHost } = this.parts;
    this.epochs.prepare(await WorkerEpoch.create(config, identity, unixMs, epochHost));
  }

  /** Discovery has lost targets. */
  dropLeftTargets(): void {
    this.forwarder.dropLeft();
  }

  /** WebSockets end, with a Close of this code to both sides. */
  closeTunnels(code: number, reason: string): void {
    this.pipeline.closeTunnels(code, reason);
  }

  /** Some requests that begin from now on do so under a prepared epoch, and all are counted. */
  tryOut(epoch: number, percent: number): void {
    const { trial, lane } = this.task;
    const next = percent === 0 ? null : this.epochs.tryOut(epoch, percent);
    this.ledger.tryOut({ counts: new RolloutWriter(trial, lane, 1), epoch: next });
    if (next === null) this.refusals.forget();
    else this.adopt(next, percent < 100 ? this.epochs.targetsNewTo(next) : next.config.targets);
  }

  /** No further request begins under the epoch on trial. */
  takeBack(): void {
    this.ledger.endTrial();
    if (!this.epochs.takeBack()) return;
    this.adopt(this.epochs.current);
    this.turn.startTicking();
  }

  /** Requests that begin from now on do so under the prepared epoch. False: there is none. */
  commit(epoch: number): boolean {
    const next = this.epochs.commit(epoch);
    if (next === null) return false;
    this.ledger.endTrial();
    this.parts.tracing.adopt(next.config);
    this.adopt(next);
    this.turn.startTicking();
    return true;
  }

  /**
   * What is kept by row takes over what is the same, and begins anew with what is not. `targets`:
   * those whose connections are made as this epoch says.
   */
  private adopt({ config }: WorkerEpoch, targets = config.targets): void {
    const { log, random } = this.host;
    log.logger.level = config.logging.level;
    this.ledger.adopt(config, createRequestLog(log, this.records, config.logging, random));
    this.forwarder.adopt({ upstreams: config.upstreams, targets });
    this.planner.adopt(config);
    this.preference.adopt(config);
    this.grants.adopt(config.upstreams);
    this.coordinator.forgetRefusals();
    this.refusals.forget();
    this.cache.cache.isOn = config.facts.hasCaches;
  }

  /** Lets epochs go of which nothing is left. What was told under them is sent first. */
  private releaseEpochs(nowMs: number): void {
    if (this.coordinator.flush()) return;
    for (const epoch of this.epochs.release(nowMs)) {
      this.forwarder.keepOnly(this.epochs.targetIndexes());
      this.parts.onReleased(epoch);
    }
  }

  private createTurn(onError: (error: unknown) => void): WorkerTurn {
    const { epochs } = this;
    return new WorkerTurn({
      clock: this.host.clock,
      lane: this.lane,
      pipeline: this.pipeline,
      writer: this.writer,
      replies: this.replies,
      coordinator: this.coordinator,
      wheel: this.wheel,
      epochs: {
        get hasEarlier() {
          return epochs.hasEarlier;
        },
        release: (nowMs) => this.releaseEpochs(nowMs),
      },
      heads: this.heads,
      refusals: this.refusals,
      counters: this.counters,
      onError,
    });
  }

  private createRefusals(): HeldRefusals {
    const { lane, ledger, host } = this;
    return new HeldRefusals({
      ...{ lane, ledger, nowMs: host.clock.nowMs, isLogBehind: host.log.isBehind },
      countRefusal: (limiterIndex) => this.coordinator.countRefusal(limiterIndex),
    });
  }

  private createReplyPath(onError: (error: unknown) => void): ReplyPath {
    return new ReplyPath({
      writer: this.writer,
      streams: { wheel: this.wheel, ledger: this.ledger, unixMs: this.host.clock.unixMs },
      nowMs: this.host.clock.nowMs,
      onDelivered: (exchange) => this.pipeline.onDelivered(exchange),
      onStream: (exchange) => this.pipeline.onStream(exchange),
      onTunnel: (exchange) => this.pipeline.onTunnel(exchange),
      refuse: (exchange, problem, detail) => this.pipeline.refuse(exchange, problem, detail),
      onBroken: (exchange, error) => this.pipeline.onFilterBroken(exchange, error),
      onStuck: (exchange) => this.pipeline.onReplyStuck(exchange),
      onError,
    });
  }

  private createFilters(): FilterRunner {
    const { wheel } = this;
    const { nowMs } = this.host.clock;
    const onSlow = (exchange: Exchange): void => this.pipeline.onSlowUpload(exchange);
    const onDecoded = (exchange: Exchange, refused: LocalReply | null): void =>
      this.pipeline.onDecoded(exchange, refused);
    const bodies = this.parts.plugins.forBodies(onDecoded);
    const watched = { wheel, nowMs, onSlow };
    return new FilterRunner(this.ledger, this.forwarder, watched, bodies, onDecoded);
  }

  private createMirrors({ port }: LaneTask, parts: Pick<MirrorParts, 'gate' | 'tries'>): Mirrors {
    const { random, clock } = this.host;
    const { nowMs, unixMs } = clock;
    return new Mirrors({
      ...parts,
      ledger: this.ledger,
      random,
      nowMs,
      unixMs,
      onSample: (sample) => port.postMessage({ type: 'mirrorSample', sample }),
    });
  }

  private createTunnels(): Tunnels {
    const { nowMs, unixMs } = this.host.clock;
    return new Tunnels({
      nowMs,
      unixMs,
      wakeAt: (exchange, atMs) => this.wheel.set(exchange.deadline, atMs),
      giveWindow: (exchange, bytes) => this.writer.giveWindow(exchange, bytes),
      resumeTarget: (exchange) => exchange.tries.current?.resume(),
      count: (exchange, isUp, messages, bytes) =>
        this.ledger.countTunnel(exchange, isUp, messages, bytes),
    });
  }

  private createCache({ cache, lane, hashKey }: LaneTask): CacheLink {
    return new CacheLink({
      store: new CacheStore(cache, lane, new HalfSipHash(...hashKey), new HotBodies(this.lane)),
      leases: new FetchLeases(cache, lane),
      clock: this.host.clock,
      relays: new ReplyRelays(cache.relays, lane),
      replies: this.replies,
      onBroken: (exchange) => this.pipeline.onTriesFailed(exchange, PROBLEMS.upstreamReset),
      onStored: (evicted) => this.ledger.countStored(evicted),
      onFormUsed: () => this.ledger.countFormUsed(),
    });
  }

  private createTries(parts: Pick<RetryLoopParts, 'gate' | 'touch' | 'onError'>): RetryLoop {
    const { nowMs, unixMs } = this.host.clock;
    return new RetryLoop({
      ...parts,
      planner: this.planner,
      forwarder: this.forwarder,
      replies: this.replies,
      preference: this.preference,
      coordinator: this.coordinator,
      ledger: this.ledger,
      cache: this.cache.cache,
      wheel: this.wheel,
      nowMs,
      unixMs,
      onFailed: (exchange, problem) => this.pipeline.onTriesFailed(exchange, problem),
      onReply: (exchange, reply) => this.pipeline.onTriesReply(exchange, reply),
      onAsideDone: (exchange) => this.pipeline.onAsideDone(exchange),
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
    this.turn.run();
  }

  /**
   * The acceptor is another: nobody waits for what is in flight, and requests come through this
   * memory from now on. `onLeft` is called when this thread has let go of the earlier memory.
   */
  changeLane(memory: LaneMemory, doorbell: Pick<Port, 'postMessage'>, onLeft: () => void): void {
    this.pipeline.abortAll();
    this.turn.endLane();
    this.lane.renew(memory, doorbell, onLeft);
    this.turn.beginLane();
  }

  /** The main thread has keys, revocations, tokens, or another identity of the gateway. */
  onIdentityNotice(notice: IdentityNotice): void {
    if (notice.type === 'workload') {
      this.forwarder.adoptWorkload(notice.material);
      return;
    }
    this.parts.identity.onNotice(notice);
    if (notice.type === 'revoked') {
      this.pipeline.onRevoked(new Set(notice.sessions.map(({ sessionId }) => sessionId)));
    } else if (notice.type === 'loginsEnded') {
      this.pipeline.onRevoked(new Set(notice.ends.map(({ value }) => value)));
    }
  }

  /** Ends what is left; the lane is dead after this. */
  async stop(): Promise<void> {
    this.turn.stop();
    await Promise.all([this.forwarder.close(), this.parts.tracing.close()]);
    await this.parts.identity.close();
    await this.host.log.end();
    // Until here it beats: a thread that ends slowly does not hang.
    this.meter.stop();
    this.heapWatch.cancel();
  }
}

/** Of what this thread writes into shared memory beside its counters. */
function writersOf(
  { counters, coordinator: { rollouts, lane } }: LaneTask,
  { capacity }: GatewaySettings,
): Pick<MetricsOutputs, 'refusals' | 'rollouts'> & { readonly rollouts: RolloutWriter } {
  return {
    refusals: new RefusalRingWriter(counters, refusalRingOffset(counterCount(capacity))),
    rollouts: new RolloutWriter(rollouts, lane, capacity.rollouts),
  };
}
