/**
 * Starts and stops the threads, and starts dead ones again.
 *
 * Thread: supervisor (on the main thread). Owns the coordinator's supervisor, the worker pool, a
 * supervisor for each lane, and the health checks.
 */
import type { Logger } from 'pino';
import type { AcceptorFront } from '../acceptor/acceptor-front.js';
import { defined } from '../base/assert.js';
import type { Clock, Random, Timer } from '../base/clock.js';
import { DroppedMemory } from '../base/dropped-memory.js';
import { allocateCache, type CacheMemory } from '../channel/cache/cache-memory.js';
import type { CoordinatorFault } from '../channel/coordinator/coordinator-messages.js';
import { allocateRollouts } from '../channel/coordinator/rollout-memory.js';
import {
  SLOT_FREE,
  TargetSlotView,
  TargetSlotWriter,
} from '../channel/coordinator/target-slots.js';
import { allocateCounters, CounterBlock } from '../channel/counter-block.js';
import type { IdentityNotice, WorkloadNotice } from '../channel/identity-messages.js';
import { recordBytesOf } from '../channel/record-ring.js';
import type { ThreadFault } from '../channel/thread-fault.js';
import type { WorkloadMaterial } from '../channel/workload-material.js';
import {
  type ServedConfig,
  type SharedConfig,
  sharedBytesOf,
} from '../config/shared/shared-config.js';
import type { CompiledStore } from '../config/store-settings.js';
import { clearRows } from '../coordinator/coordinator-setup.js';
import { counterCount, openWebSockets, retireCounterRows } from '../observability/counters.js';
import type { Plugin } from '../plugins/plugin.js';
import { WorkloadIdentity } from '../worker/upstream/workload-identity.js';
import type { ApiKeys } from './api-keys/api-keys.js';
import { type Canary, ConfigTrial, TrialFailedError } from './config-trial.js';
import { CoordinatorDiedError, CoordinatorSupervisor } from './coordinator-supervisor.js';
import { FoundTargets } from './discovery/found-targets.js';
import { type EpochPlan, EpochTable, type NextVersion, type RowLists } from './epoch-table.js';
import { HealthProber } from './health-prober.js';
import { IdentityServices } from './identity-services.js';
import { LaneMemories } from './lane-memories.js';
import { LaneSupervisor } from './lane-supervisor.js';
import { hashKeyOf } from './limiter-hash-key.js';
import { MirrorSamples } from './mirror-samples.js';
import { PluginWatch } from './plugin-watch.js';
import { RestartIntensity } from './restart-intensity.js';
import { CachePurges } from './shared/cache-purges.js';
import { SharedState } from './shared/shared-state.js';
import { StoreSupervisor, type StoreSupervisorOptions } from './store-supervisor.js';
import type { Threads } from './threads.js';

/** How long a gateway that starts waits for the store. */
const STORE_WAIT_MS_MAX = 1000;

/** Until a spare thread that could not be started is tried again. */
const SPARE_AGAIN_MS = 5000;

export interface SupervisorOptions {
  readonly first: SharedConfig;
  readonly front: AcceptorFront;
  readonly clock: Clock;
  readonly random: Random;
  /** The supervisor ends them. */
  readonly threads: Threads;
  readonly logger: Logger;
  /** A plugin that the program has given. Absent: it has given none. */
  findPlugin?(file: string): Plugin<never> | undefined;
  /** Threads die too often: the process should end with this reason. */
  onGivingUp(reason: string): void;
}

export class Supervisor {
  /** What mirrors have found of late. */
  readonly mirrorSamples = new MirrorSamples();
  readonly coordinator: CoordinatorSupervisor;
  private readonly laneMemories: LaneMemories;
  readonly lanes: readonly LaneSupervisor[];
  /** Figures of each worker, by lane; they outlive the workers. */
  readonly counters: readonly SharedArrayBuffer[];

  /** The configuration that some workers try now; null: none is. */
  trial: ConfigTrial | null = null;
  private readonly trialMemory: SharedArrayBuffer;

  /** Stored replies; they outlive every thread. */
  readonly cache: CacheMemory;

  /** Plugins, and what they have done. */
  readonly plugins: PluginWatch;

  /** null: no store is configured. */
  readonly store: StoreSupervisor | null;
  /** What gateways share through the store; null: there is none. */
  readonly shared: SharedState | null;
  /** Purges of stored replies, in all gateways. */
  readonly purges: CachePurges;

  private readonly epochTable: EpochTable;
  /** The key by which workers hash limiter keys. */
  readonly hashKey: readonly [number, number];

  /** The targets that discovery has found. */
  readonly found: FoundTargets;
  private readonly prober: HealthProber;
  /** Who the gateway is for targets that are workloads, as health checks have it. */
  private readonly workload = new WorkloadIdentity();
  private workloadNotice: WorkloadNotice | null = null;
  private readonly intensity = new RestartIntensity();
  private readonly dropped = new DroppedMemory();
  private readonly identity: IdentityServices;
  private isStopping = false;
  /** null: there is a spare thread, or one that starts. */
  private spareAgain: Timer | null = null;

  constructor(private readonly options: SupervisorOptions) {
    const { first, clock, random, threads, logger } = options;
    this.epochTable = new EpochTable(first);
    const config = this.epochTable.current;
    this.hashKey = hashKeyOf(config.limits.keySecret, config.store);
    const mayRestart = (): boolean => this.mayRestart();
    this.coordinator = new CoordinatorSupervisor({
      first,
      logger,
      clock,
      threads,
      mayRestart,
      onRestarted: () => {
        for (const lane of this.lanes) lane.onCoordinatorRestarted();
        this.store?.connect();
      },
    });
    this.found = new FoundTargets(new TargetSlotView(this.coordinator.memory.slots));
    this.store = this.createStore(config.store);
    const secret = config.store?.secret ?? '';
    this.shared =
      this.store === null ? null : new SharedState({ store: this.store, secret, clock, logger });
    threads.lanes.onIdleError((error) => {
      logger.error({ err: error }, 'worker pool error');
      this.standByLater();
    });
    const size = counterCount(config.capacity);
    const recordBytes = recordBytesOf(config);
    this.counters = Array.from({ length: config.workers }, () =>
      allocateCounters(size, recordBytes),
    );
    this.cache = allocateCache(config.workers, config.cacheBytes);
    this.purges = new CachePurges(this.cache, this.shared?.events ?? null, logger, clock);
    this.plugins = new PluginWatch({
      ...{ lanes: config.workers, logger, nowMs: clock.nowMs, unixMs: clock.unixMs },
      plugins: () => this.epochTable.plugins,
      find: (file) => options.findPlugin?.(file),
    });
    this.trialMemory = allocateRollouts(config.workers, 1);
    this.prober = new HealthProber({
      onResult: (target, result) => this.coordinator.control.tellProbe(target, result),
      ...{ workload: this.workload, random },
    });
    this.identity = new IdentityServices({
      ...{ config, logger, clock, shared: this.shared },
      broadcast: (notice) => this.lanes.filter((lane) => lane.tellIdentity(notice)).length,
      reply: (lane, notice) => void this.laneAt(lane).tellIdentity(notice),
    });
    this.laneMemories = new LaneMemories(this.counters.length);
    this.lanes = this.counters.map((counters, lane) => this.createLane(counters, lane));
  }

  private createLane(counters: SharedArrayBuffer, lane: number): LaneSupervisor {
    const { first, clock, threads, front, logger } = this.options;
    const { coordinator, plugins } = this;
    return new LaneSupervisor({
      lane,
      config: first,
      clock,
      threads,
      front,
      memories: this.laneMemories,
      memory: coordinator.memory,
      control: coordinator.control,
      counters,
      cache: this.cache,
      plugins: plugins.memory,
      pluginWatch: plugins,
      trial: this.trialMemory,
      hashKey: this.hashKey,
      logger,
      identityNotices: () => this.identityNotices(),
      onMirrorSample: (sample) => this.mirrorSamples.add(sample),
      onIdentityRequest: (from, request) => this.identity.onRequest(from, request),
      postToCoordinator: (mail, port) => coordinator.post(mail, port),
      mayRestart: () => this.mayRestart(),
      onServedAgain: () => this.standBy(),
    });
  }

  private createStore(config: CompiledStore | null): StoreSupervisor | null {
    const { logger, clock, threads } = this.options;
    const { storeMemory: memory } = this.coordinator;
    if (config === null || memory === null) return null;
    const postToCoordinator: StoreSupervisorOptions['postToCoordinator'] = (mail, port) =>
      this.coordinator.post(mail, port);
    return new StoreSupervisor({ config, memory, logger, clock, threads, postToCoordinator });
  }

  /** Resolves when the coordinator answers asks and every lane is served. */
  async start(): Promise<void> {
    // The threads start side by side: a thread takes its time to start, and none needs another to
    // do so.
    const coordinator = this.coordinator.start();
    this.store?.start();
    // Results of health checks wait in the control ring until the coordinator reads them.
    this.prober.adopt(this.shownConfig);
    await this.identity.start();
    const front = this.options.front.begin({
      mayRestart: () => this.mayRestart(),
      onAllDying: () => this.options.onGivingUp('all acceptors die again and again'),
      onLanesLost: (lanes) => this.renewLanes(lanes),
    });
    const lanes = this.lanes.map((lane) => lane.start());
    // Without the store a gateway does not know how many there are. It goes on by itself then.
    const store = this.store?.whenFound(STORE_WAIT_MS_MAX);
    await Promise.all([coordinator, front, ...lanes, store]);
    this.standBy();
  }

  private renewLanes(lanes: readonly number[]): void {
    for (const lane of lanes) this.laneAt(lane).renew();
  }

  private standBy(): void {
    if (this.isStopping) return;
    // A lane then waits for its next thread to start, which is no reason to end anything.
    this.options.threads.lanes.warmSpare().catch((error: unknown) => {
      if (this.isStopping) return;
      this.options.logger.warn({ err: error }, 'no spare worker thread could be started');
      this.standByLater();
    });
  }

  /** What kept the spare thread from starting, files that had run out say, may be over by then. */
  private standByLater(): void {
    if (this.spareAgain !== null || this.isStopping) return;
    this.spareAgain = this.options.clock.after(SPARE_AGAIN_MS, () => {
      this.spareAgain = null;
      this.standBy();
    });
  }

  /** API keys that are made at run time; null: none are. */
  get apiKeys(): ApiKeys | null {
    return this.identity.apiKeys;
  }

  /** The configuration in force, with the targets that discovery has found. */
  get shownConfig(): ServedConfig {
    return this.found.in(this.config);
  }

  /**
   * To be called before discovery fills rows of the next version. A version that was refused may
   * have left targets of another upstream in them.
   */
  freeNewSlots(next: SharedConfig['settings']): void {
    const slots = new TargetSlotWriter(this.coordinator.memory.slots);
    for (const row of this.epochTable.newSlots(next)) slots.setPhase(row, SLOT_FREE);
  }

  /** The gateway is this workload from now on, and believes these authorities. */
  useWorkload(material: WorkloadMaterial): void {
    const notice: WorkloadNotice = { type: 'workload', material };
    this.workloadNotice = notice;
    this.workload.adopt(material);
    for (const lane of this.lanes) lane.tellIdentity(notice);
  }

  private identityNotices(): IdentityNotice[] {
    const own = this.workloadNotice === null ? [] : [this.workloadNotice];
    return [...this.identity.notices, ...own];
  }

  /** Discovery has found other targets; `hasLeft`: some target is gone. */
  onTargetsFound(hasLeft: boolean): void {
    if (this.isStopping) return;
    this.coordinator.control.tellTargets();
    this.prober.adopt(this.shownConfig);
    if (hasLeft) for (const lane of this.lanes) lane.tellTargetsLeft();
  }

  /** Rows whose targets are gone for good: figures of the next ones begin anew. */
  onTargetsGone(targets: readonly number[]): void {
    const freed = { routes: [], upstreams: [], targets };
    for (const counters of this.counters) {
      retireCounterRows(new CounterBlock(counters), this.config.capacity, freed);
    }
  }

  /** The configuration in force. */
  get config(): ServedConfig {
    return this.epochTable.current;
  }

  /** Versions that a thread may still use, oldest first; the last is in force. */
  get epochs(): number[] {
    return this.epochTable.epochs.filter(
      (epoch) => epoch === this.config.epoch || this.isHeld(epoch),
    );
  }

  /**
   * Brings a configuration into force everywhere, and resolves with it as placed. Rejects with the
   * reason when a thread cannot take it; then nothing has changed. One swap at a time.
   *
   *     workers compile it aside ─► coordinator goes on under old and new ─► workers begin with it
   *
   * Until the second step is done no decision has changed. After the second step nothing can fail:
   * a thread that dies begins again with what is in force.
   *
   * With a `canary` some workers begin with it before the second step, while the coordinator knows
   * of both and decides as the version in force says. Rejects with TrialFailedError when it was
   * taken back. `onDecided` brings what clients see at once into force: acceptors adopt behind it.
   */
  async swap(
    shared: SharedConfig,
    canary: Canary | null = null,
    onDecided: () => Promise<void> = async () => {},
  ): Promise<ServedConfig> {
    const next = shared.settings;
    this.dropped.replacedBy(sharedBytesOf(shared));
    this.plugins.begin(next.plugins);
    // Keys for the next one are fetched now; those of the old one stay until the swap is done.
    await this.identity.adopt([...this.config.authenticators, ...next.authenticators]);
    try {
      await this.prepareLanes(shared);
      if (canary !== null) await this.tryOut(shared, canary);
      await this.decideBy(this.epochTable.plan(shared, (epoch) => this.isHeld(epoch)));
    } catch (error) {
      if (canary !== null) for (const lane of this.lanes) lane.takeBack();
      await this.identity.adopt(this.config.authenticators);
      throw error;
    }
    this.prober.adopt(this.shownConfig);
    await Promise.all(this.lanes.map((lane) => this.commit(lane, shared)));
    await onDecided();
    await this.options.front.adopt(shared);
    await this.identity.adopt(next.authenticators);
    this.plugins.adopt();
    return this.config;
  }

  private async tryOut(shared: SharedConfig, { rule, onBegun }: Canary): Promise<void> {
    await this.decideBy(this.epochTable.planTrial(shared, (epoch) => this.isHeld(epoch)));
    const { epoch } = shared.settings;
    const isAlone = this.lanes.length === 1;
    const count = isAlone ? 1 : Math.min(rule.workers, this.lanes.length - 1);
    const trying = this.lanes.slice(0, count);
    if (!trying.every((lane) => lane.hasPrepared(epoch))) {
      throw new TrialFailedError('a worker died that was to try it', false);
    }
    const trial = new ConfigTrial({
      ...{ rule, epoch, memory: this.trialMemory, clock: this.options.clock },
      deaths: () => trying.reduce((sum, lane) => sum + lane.deaths, 0),
    });
    for (const lane of this.lanes) {
      const percent = isAlone ? rule.percent : 100;
      lane.tryOut(epoch, trying.includes(lane) ? percent : 0);
    }
    this.trial = trial;
    onBegun();
    await trial.outcome().finally(() => {
      this.trial = null;
    });
  }

  /** A plugin that is new is tried in one worker first: it might make workers hang. */
  private async prepareLanes(shared: SharedConfig): Promise<void> {
    const tried = this.plugins.hasNew ? 1 : 0;
    const prepare = async (lanes: readonly LaneSupervisor[]): Promise<void> => {
      await Promise.all(lanes.map((lane) => lane.prepare(shared)));
      this.plugins.prove();
    };
    await prepare(this.lanes.slice(0, tried));
    await prepare(this.lanes.slice(tried));
  }

  private async decideBy(plan: EpochPlan): Promise<void> {
    await this.useInCoordinator(plan.members.map((member) => member.shared));
    await this.clearRows(this.epochTable.take(plan));
  }

  private async useInCoordinator(versions: readonly SharedConfig[]): Promise<void> {
    try {
      await this.coordinator.adopt(versions);
    } catch (error) {
      // It may have died for another reason: one more try follows, whose error is reported.
      if (!(error instanceof CoordinatorDiedError)) throw error;
      await this.coordinator.adopt(versions);
    }
  }

  private async commit(lane: LaneSupervisor, config: SharedConfig): Promise<void> {
    try {
      await lane.commit(config);
    } catch (error) {
      this.options.logger.error({ err: error }, 'worker is late with the configuration');
    }
  }

  /** In pieces: a version may have thousands of rows that the next one does not have. */
  private async clearRows(freed: RowLists): Promise<void> {
    for (const piece of piecesOf(freed)) {
      clearRows(this.coordinator.memory, piece);
      for (const counters of [...this.options.front.counters, ...this.counters]) {
        retireCounterRows(new CounterBlock(counters), this.config.capacity, piece);
      }
      await new Promise<void>((resolve) => this.options.clock.afterTurn(resolve));
    }
  }

  /** What the next version gets. */
  beginVersion(): NextVersion {
    return this.epochTable.beginVersion();
  }

  private isHeld(epoch: number): boolean {
    return this.lanes.some((lane) => lane.heldEpochs.has(epoch));
  }

  /** Ready while some acceptor has a lane with a worker, and the coordinator answers asks. */
  get readiness(): 'ready' | 'no acceptor' | 'no worker' | 'no coordinator' {
    if (!this.options.front.hasAcceptor) return 'no acceptor';
    if (this.options.front.attendedLanes === 0) return 'no worker';
    return this.coordinator.isDeciding ? 'ready' : 'no coordinator';
  }

  laneAt(lane: number): LaneSupervisor {
    return defined(this.lanes[lane], 'the lane');
  }

  get workers(): number {
    return this.lanes.length;
  }

  injectWorkerFault(lane: number, fault: ThreadFault): boolean {
    return this.laneAt(lane).injectFault(fault);
  }

  injectCoordinatorFault(fault: CoordinatorFault): void {
    this.coordinator.injectFault(fault);
  }

  /** WebSockets end, with a Close of this code to both sides. False: there are none. */
  closeTunnels(code: number, reason: string): boolean {
    const { capacity } = this.config;
    const open = this.counters.reduce(
      (sum, memory) => sum + openWebSockets(new CounterBlock(memory), capacity),
      0,
    );
    if (open === 0) return false;
    for (const lane of this.lanes) lane.closeTunnels(code, reason);
    return true;
  }

  /** Ends all threads; requests in flight are lost. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.spareAgain?.cancel();
    this.prober.stop();
    this.identity.stop();
    await Promise.all(this.lanes.map((lane) => lane.stop()));
    await this.options.threads.lanes.close();
    await this.store?.stop();
    await this.coordinator.stop();
  }

  private mayRestart(): boolean {
    if (this.isStopping) return false;
    if (this.intensity.mayRestart(this.options.clock.nowMs())) return true;
    this.options.onGivingUp('threads die too often (more than 10 times in a minute)');
    return false;
  }
}

/** Rows that are made ready in one turn of the main thread. */
const ROWS_PER_TURN = 64;

function* piecesOf(freed: RowLists): Generator<RowLists> {
  const count = Math.max(...Object.values(freed).map((rows) => rows.length));
  for (let from = 0; from < count; from += ROWS_PER_TURN) {
    const part = (rows: readonly number[]) => rows.slice(from, from + ROWS_PER_TURN);
    const { routes, upstreams, targets, limiters, rollouts } = freed;
    yield {
      routes: part(routes),
      upstreams: part(upstreams),
      targets: part(targets),
      limiters: part(limiters),
      rollouts: part(rollouts),
    };
  }
}
