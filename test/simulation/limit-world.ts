/**
 * Workers, a coordinator and clients in one thread, under a clock that is moved by hand: requests
 * pass under limits, workers and coordinators die, messages are late. Whatever passes is checked
 * against the naive models.
 *
 * The workers' ends, their key grants and the coordinator are the real ones.
 */
import { CoordinatorWorkerEnd } from '../../src/channel/coordinator/coordinator-channel.js';
import { CoordinatorControl } from '../../src/channel/coordinator/coordinator-control.js';
import {
  CoordinatorEnd,
  type CoordinatorHandler,
} from '../../src/channel/coordinator/coordinator-end.js';
import {
  type CoordinatorMemory,
  laneMemoryOf,
} from '../../src/channel/coordinator/coordinator-memory.js';
import {
  ASK_KEY_GRANT_SHIFT,
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
  type ReplyView,
  VERDICT_ADMITTED,
} from '../../src/channel/coordinator/coordinator-records.js';
import { LimitCountsView } from '../../src/channel/coordinator/limit-counts.js';
import { TARGET_OPEN, TargetStateView } from '../../src/channel/coordinator/target-states.js';
import type { CompiledConfig, CompiledLimiter } from '../../src/config/compiled-config.js';
import { Coordinator } from '../../src/coordinator/coordinator.js';
import { allocateCoordinatorMemory } from '../../src/coordinator/coordinator-setup.js';
import { KeyGrants } from '../../src/worker/admission/key-grants.js';
import { aCompiledRoute } from '../support/compiled-route.js';
import { aCoordinatorConfig, anAsk } from '../support/coordinator-rig.js';
import { servedOf } from '../support/served-config.js';
import { NaiveLimits } from './naive-limits.js';
import type { SimRandom } from './seeds.js';
import { ThreadKilled, WriteFuse } from './write-fuse.js';

export interface WorldWish {
  readonly limiters: readonly Partial<CompiledLimiter>[];
  /** Which limiters a request of each kind is counted against. */
  readonly routes: readonly (readonly number[])[];
  readonly keys: number;
  readonly workers: number;
  /** Share of requests whose target fails. */
  readonly failures?: number;
}

interface Waiting {
  readonly limits: readonly number[];
  readonly key: number;
  readonly wishes: boolean;
}

interface Passing {
  readonly lane: number;
  readonly limits: readonly number[];
  readonly key: number;
  readonly targetIndex: number;
  readonly ticket: number;
  readonly inFlightTicket: number;
}

interface SimWorker {
  readonly end: CoordinatorWorkerEnd;
  readonly grants: KeyGrants;
  readonly waiting: Map<number, Waiting>;
}

/** Smallest limit of which the worker keeps an entry for grants, as its routes say. */
const GRANTED_LIMIT_MIN = 100;
const OPEN_FOR_MS = 1000;
const REQUESTS_MAX = 40;

export class LimitWorld {
  nowMs = 0;
  readonly config: CompiledConfig;
  readonly counts: LimitCountsView;
  passed = 0;
  granted = 0;
  refused = 0;
  /** Admissions of grants that the limits took back. */
  returned = 0;
  kills = 0;
  private readonly memory: CoordinatorMemory;
  private readonly control: CoordinatorControl;
  private readonly targets: TargetStateView;
  private readonly workers: SimWorker[];
  private readonly naive: NaiveLimits;
  private readonly decidedMs = new Map<string, number>();
  private passing: Passing[] = [];
  private openedMs = Number.NEGATIVE_INFINITY;
  private askIds = 0;
  private fuse = new WriteFuse();
  private end: CoordinatorEnd;
  private handler: CoordinatorHandler;

  constructor(
    readonly wish: WorldWish,
    private readonly random: SimRandom,
    private readonly isKilled: boolean,
  ) {
    const { limiters, workers } = wish;
    const config = aCoordinatorConfig({ limiters, workers, trackedClients: 64 });
    const routes = wish.routes.map((limiterIndexes, index) =>
      aCompiledRoute({ index, path: `/${index}`, limiterIndexes }),
    );
    this.config = {
      ...config,
      limits: { ...config.limits, inFlight: REQUESTS_MAX },
      routes,
    };
    this.memory = allocateCoordinatorMemory(this.config);
    this.control = new CoordinatorControl(this.memory);
    this.targets = new TargetStateView(this.memory.targets);
    this.counts = new LimitCountsView(this.memory.limitCounts);
    this.naive = new NaiveLimits(this.config.limiters);
    this.end = this.newEnd();
    this.handler = this.newHandler();
    this.workers = this.memory.lanes.map((_, lane) => this.newWorker(lane));
  }

  /** One request of a route and a key comes to a worker. */
  request(lane: number, limits: readonly number[], key: number): void {
    const worker = this.worker(lane);
    const named = limits.map((index) => [index, key, ~key] as const);
    let wished = 0;
    if (limits.every((index) => this.isGranted(index))) {
      const entry = worker.grants.entryOf(anAsk({ limits: named }), this.nowMs);
      if (entry.isValid(this.nowMs)) {
        entry.take();
        worker.end.beginGranted(0);
        this.granted += 1;
        this.pass({ lane, limits, key, targetIndex: 0, ticket: 0, inFlightTicket: 0 }, this.nowMs);
        return;
      }
      wished = entry.wish(this.nowMs);
    }
    this.askIds += 1;
    const askId = this.askIds;
    const flags = wished << ASK_KEY_GRANT_SHIFT;
    if (!worker.end.ask(anAsk({ askId, flags, limits: named }))) return;
    worker.waiting.set(askId, { limits, key, wishes: wished > 0 });
  }

  flush(lane: number): void {
    const { end, grants } = this.worker(lane);
    grants.giveBackVoid(this.nowMs);
    end.flush();
  }

  /** The coordinator works; after `writesMax` writes it is killed, and starts again later. */
  step(writesMax = Number.POSITIVE_INFINITY): void {
    this.fuse.writes = 0;
    this.fuse.writesMax = writesMax;
    try {
      this.end.drain(this.handler, this.nowMs);
    } catch (error) {
      if (!(error instanceof ThreadKilled)) throw error;
      this.kills += 1;
      this.restart();
    }
  }

  /** Another coordinator on the same memory; it may be killed while it starts. */
  restart(): void {
    for (let attempt = 0; ; attempt += 1) {
      const isDoomed = this.isKilled && attempt < 2 && this.random.chance(0.2);
      this.fuse = new WriteFuse(isDoomed ? this.random.below(6) : Number.POSITIVE_INFINITY);
      try {
        this.end = this.newEnd();
        this.handler = this.newHandler();
        return;
      } catch (error) {
        if (!(error instanceof ThreadKilled)) throw error;
      }
    }
  }

  drain(lane: number): void {
    const worker = this.worker(lane);
    worker.end.drainReplies({ onReply: (reply) => this.onReply(lane, worker, reply) });
  }

  /** Some requests end. */
  finish(share: number): void {
    const { failures = 0 } = this.wish;
    this.passing = this.passing.filter((one) => {
      if (!this.random.chance(share)) return true;
      const outcome = this.random.chance(failures)
        ? OUTCOME_FAILURE
        : this.random.pick([OUTCOME_SUCCESS, OUTCOME_CANCELLED]);
      const { end } = this.worker(one.lane);
      end.tellOutcome(one.targetIndex, one.ticket, outcome, 0);
      if (one.inFlightTicket !== 0) end.tellInFlightEnd(one.inFlightTicket);
      return false;
    });
  }

  /** A worker dies with everything that it was working on; another takes its lane. */
  killWorker(lane: number): void {
    this.passing = this.passing.filter((one) => one.lane !== lane);
    this.control.replaceWorker(lane);
    this.workers[lane] = this.newWorker(lane);
  }

  /** Everything ends, and every place and probe is to be free again. */
  settle(): void {
    for (let round = 0; round < 4; round += 1) {
      for (const lane of this.workers.keys()) {
        this.drain(lane);
        this.finish(1);
        this.flush(lane);
      }
      this.step();
    }
    for (const { algorithm, index, name } of this.config.limiters) {
      const { trackedKeys } = this.counts.read(index);
      if (algorithm === 'inFlight' && trackedKeys !== 0) {
        throw new Error(`${name} still holds places of ${trackedKeys} keys`);
      }
    }
    for (const { index } of this.config.targets) {
      if (this.targets.probesOf(index) !== 0) throw new Error(`a probe of target ${index} is lost`);
    }
  }

  private onReply(lane: number, worker: SimWorker, reply: ReplyView): boolean {
    const { askId } = reply;
    const waiting = worker.waiting.get(askId);
    if (waiting === undefined) return false;
    worker.waiting.delete(askId);
    const { limits, key, wishes } = waiting;
    if (wishes) {
      const named = limits.map((index) => [index, key, ~key] as const);
      worker.grants.onReply(anAsk({ limits: named }), reply, this.nowMs);
    }
    if (reply.verdict !== VERDICT_ADMITTED) {
      this.refused += 1;
      return true;
    }
    const decidedMs = this.decidedMs.get(`${lane} ${worker.end.generation} ${askId}`);
    if (decidedMs === undefined) throw new Error('a reply without a decision');
    const { targetIndex, ticket, inFlightTicket } = reply;
    const isRest = decidedMs > this.openedMs && decidedMs < this.openedMs + OPEN_FOR_MS;
    const isOpen = isRest && targetIndex === 0;
    if (isOpen) throw new Error(`a try at ${decidedMs} at a target that is open`);
    this.pass({ lane, limits, key, targetIndex, ticket, inFlightTicket }, decidedMs);
    return true;
  }

  private isGranted(limiterIndex: number): boolean {
    const limiter = this.config.limiters[limiterIndex];
    if (limiter === undefined || limiter.algorithm === 'inFlight') return false;
    return limiter.limit / limiter.cost >= GRANTED_LIMIT_MIN;
  }

  private pass(one: Passing, atMs: number): void {
    this.passed += 1;
    this.passing.push(one);
    for (const index of one.limits) {
      this.naive.admit(index, one.key, atMs);
      const limiter = this.config.limiters[index];
      if (limiter?.algorithm !== 'inFlight') continue;
      const inFlight = this.passing.filter(
        (other) => other.key === one.key && other.limits.includes(index),
      );
      if (inFlight.length > limiter.limit) {
        throw new Error(`${limiter.name} has ${inFlight.length} in flight`);
      }
    }
  }

  private newEnd(): CoordinatorEnd {
    return this.build(() => new CoordinatorEnd(this.memory));
  }

  /** Watching every write takes its time: only where one may be the last. */
  private build<T>(make: () => T): T {
    return this.isKilled ? this.fuse.watch(make) : make();
  }

  /** The real coordinator; what it decides is noted with its time. */
  private newHandler(): CoordinatorHandler {
    const nothing = () => undefined;
    const host = {
      onBreakerTransition: nothing,
      onHealthTransition: nothing,
      onMail: nothing,
      onStop: nothing,
    };
    const coordinator = this.build(() => new Coordinator(servedOf(this.config), this.memory, host));
    return {
      onAsk: (lane, ask, reply, nowMs) => {
        this.decidedMs.set(`${lane} ${ask.generation} ${ask.askId}`, nowMs);
        return coordinator.onAsk(lane, ask, reply, nowMs);
      },
      onAbandon: (lane, ask, nowMs) => coordinator.onAbandon(lane, ask, nowMs),
      onSeenAgain: (lane, ask, nowMs) => coordinator.onSeenAgain(lane, ask, nowMs),
      onTell: (lane, tell, nowMs) => {
        const wasOpen = this.targets.stateOf(0) === TARGET_OPEN;
        coordinator.onTell(lane, tell, nowMs);
        if (!wasOpen && this.targets.stateOf(0) === TARGET_OPEN) this.openedMs = nowMs;
      },
      onReturn: (lane, rest, nowMs) => {
        const { granted } = this.counts.read(rest.limiterIndex);
        coordinator.onReturn(lane, rest, nowMs);
        this.returned += granted - this.counts.read(rest.limiterIndex).granted;
      },
      onInFlightEnd: (...end) => coordinator.onInFlightEnd(...end),
      onWorkerLost: (lane, generation, nowMs) => coordinator.onWorkerLost(lane, generation, nowMs),
      onProbe: (target, result, nowMs) => coordinator.onProbe(target, result, nowMs),
      onTargetsChanged: () => coordinator.onTargetsChanged(),
      onMail: nothing,
      onStop: nothing,
    };
  }

  private newWorker(lane: number): SimWorker {
    const end = new CoordinatorWorkerEnd(laneMemoryOf(this.memory, lane));
    const grants = new KeyGrants((rest) => end.giveBackKeyGrant(rest));
    return { end, grants, waiting: new Map() };
  }

  private worker(lane: number): SimWorker {
    const worker = this.workers[lane];
    if (worker === undefined) throw new Error(`no worker ${lane}`);
    return worker;
  }
}
