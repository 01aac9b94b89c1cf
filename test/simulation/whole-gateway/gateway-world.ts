/**
 * A whole gateway in one thread under a clock that is moved by hand: acceptor, lanes, workers,
 * coordinator and supervisor are the real ones. Clients, targets and the threads themselves are
 * played. A seed says who makes the next step, and what goes wrong.
 */
import type { Logger } from 'pino';
import { Acceptor } from '../../../src/acceptor/acceptor.js';
import type { EngineHost } from '../../../src/acceptor/client-engine.js';
import { dispatchRule } from '../../../src/acceptor/dispatch-rule.js';
import { LaneDispatcher } from '../../../src/acceptor/lane-dispatcher.js';
import { NO_FIELDS } from '../../../src/base/field-block.js';
import { PROBLEMS } from '../../../src/base/problems.js';
import { RequestIdSource } from '../../../src/base/request-id.js';
import { ConcurrencyView } from '../../../src/channel/coordinator/concurrency-memory.js';
import { CoordinatorStatus } from '../../../src/channel/coordinator/coordinator-status.js';
import { LimitCountsView } from '../../../src/channel/coordinator/limit-counts.js';
import { TargetLoadView } from '../../../src/channel/coordinator/target-loads.js';
import { TargetStateView } from '../../../src/channel/coordinator/target-states.js';
import { WINDOW_BYTES } from '../../../src/channel/lane.js';
import type { CompiledConfig, CompiledLimiter } from '../../../src/config/compiled-config.js';
import type { GatewayConfig } from '../../../src/config/gateway-config.js';
import { placeConfig, rowsInUse } from '../../../src/config/shared/place-config.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { loadObject } from '../../../src/config/source/load-file.js';
import type { ThreadLogger } from '../../../src/observability/logger.js';
import { Supervisor } from '../../../src/supervisor/supervisor.js';
import type { Exchange } from '../../../src/worker/exchange/exchange.js';
import type { ConnectTarget } from '../../../src/worker/upstream/upstream-connections.js';
import { DispatcherFront } from '../../support/dispatcher-front.js';
import { FakeEngine, NOTHING_MORE } from '../../support/fake-client.js';
import type { FakeTime } from '../../support/fake-clock.js';
import { A_LISTENER } from '../../support/listener-settings.js';
import { RecordedStrangers } from '../../support/stranger-events.js';
import type { SimRandom } from '../seeds.js';
import { AdmissionWatch } from './admission-watch.js';
import { PlayedClient, type RequestPlan } from './played-client.js';
import { connectFrom, type TargetsWorld, type TargetVisit } from './played-targets.js';
import { type Actor, PlayedThread } from './played-thread.js';
import { PlayedThreads, type ThreadsWorld } from './played-threads.js';

export interface GatewayWish {
  /** Versions of the configuration; the first is in force at the start. */
  readonly versions: readonly GatewayConfig[];
  /** Part of the requests at targets that go wrong, 0 to 1. */
  readonly failures: number;
  /** Coordinators may be killed after any write to shared memory. */
  readonly isFused: boolean;
}

/** The meter of a worker, and who looks after its heap. */
const TIMERS_AT_REST = 2;

/** Connections are not what is played here. */
const NO_CONNECTION_RULE = { connectionsMax: 1e6, perAddressMax: 1e6, isExempt: () => true };

/** Steps after which a history that does not come to rest is taken to hang. */
const STEPS_MAX = 60_000;
/** Time after which everything must have come to its end: every deadline is shorter. */
const REST_MS_MAX = 120_000;

export class GatewayWorld implements ThreadsWorld, TargetsWorld {
  readonly time: FakeTime = { ms: 10_000 };
  readonly main: PlayedThread;
  readonly threads: PlayedThreads;
  readonly dispatcher: LaneDispatcher;
  readonly supervisor: Supervisor;
  readonly clients: PlayedClient[] = [];
  /** Part of the requests at targets that go wrong now. */
  failures: number;
  readonly isFused: boolean;
  steps = 0;
  reloads = 0;
  /** Ends of requests, by status or kind. */
  readonly ends = new Map<string, number>();
  /** What happened, in short: two histories of one seed have the same. */
  digest = 0;

  private readonly engine: FakeEngine;
  private readonly acceptor: Acceptor;
  private readonly actors = new Set<Actor>();
  private readonly mistakes: unknown[] = [];
  private readonly records = new Map<string, number>();
  private readonly watch = new AdmissionWatch();
  private readonly written = new Map<number, number>();
  /** Requests at targets now. */
  private readonly visits = new Set<TargetVisit>();
  private readonly down = new Set<string>();
  private version = 0;

  constructor(
    wish: GatewayWish,
    readonly random: SimRandom,
  ) {
    this.failures = wish.failures;
    this.isFused = wish.isFused;
    this.versions = wish.versions.map((written) => loadObject(written).compiled);
    const [config] = this.versions;
    if (config === undefined) throw new Error('a gateway has a configuration');
    this.main = new PlayedThread('main', this.time);
    this.add(this.main);
    const { clock } = this.main;
    const onError = (error: unknown): void => void this.mistakes.push(error);
    this.dispatcher = new LaneDispatcher(
      config.workers,
      dispatchRule(config, Infinity),
      onError,
      clock,
    );
    this.threads = new PlayedThreads(this);
    this.supervisor = new Supervisor({
      first: shareConfig(config),
      front: new DispatcherFront(this.dispatcher, (settings) => {
        this.acceptor.adopt(settings, NO_CONNECTION_RULE);
      }),
      clock,
      random: () => random.next(),
      threads: this.threads,
      logger: this.log('main').logger,
      onGivingUp: (reason) => void this.mistakes.push(new Error(reason)),
    });
    let engine: FakeEngine | null = null;
    const create = (host: EngineHost): FakeEngine => {
      engine = new FakeEngine(host, NOTHING_MORE);
      return engine;
    };
    this.acceptor = new Acceptor({
      engines: { engineOf: () => 'wire', create: () => create },
      clock,
      config,
      dispatcher: this.dispatcher,
      requestIds: new RequestIdSource('acceptor'),
      connections: NO_CONNECTION_RULE,
      fieldsOfRefusal: () => NO_FIELDS,
      pageOfRefusal: () => null,
      onLocalReply: () => {},
      hasFreeFile: () => true,
      onFilesShort: () => {},
      onAddressFull: () => {},
      strangers: new RecordedStrangers(),
      onError,
    });
    this.acceptor.prepare([A_LISTENER]).catch(onError);
    if (engine === null) throw new Error('an acceptor has an engine');
    this.engine = engine;
  }

  private readonly versions: readonly CompiledConfig[];

  // What threads and targets need.

  add(actor: Actor): void {
    this.actors.add(actor);
  }

  connectFrom(thread: PlayedThread): ConnectTarget {
    return connectFrom(thread, this);
  }

  isDown(origin: string): boolean {
    return this.down.has(origin);
  }

  /** Notes mistakes of ours, and the access records of workers. */
  log(thread: string): ThreadLogger {
    const say = (): void => {};
    const complain = (fields: { readonly err?: unknown }, message: string): void => {
      if (message === 'internal error') this.mistakes.push(fields.err);
    };
    const logger = { level: 'info', debug: say, info: say, warn: say, error: complain, fatal: say };
    return {
      logger: logger as unknown as Logger,
      records: {
        thread,
        time: () => '',
        write: (line) => this.onRecord(JSON.parse(line) as { readonly requestId: string }),
      },
      dropped: () => 0,
      isBehind: () => false,
      end: () => Promise.resolve(),
    };
  }

  private onRecord({ requestId }: { readonly requestId: string }): void {
    const count = (this.records.get(requestId) ?? 0) + 1;
    this.records.set(requestId, count);
    if (count > 1) throw new Error(`${requestId} has ended twice`);
  }

  onWritten(visit: TargetVisit): void {
    const { told, exchange } = visit;
    const client = this.clientOf(told.request);
    const times = (this.written.get(told.request) ?? 0) + 1;
    this.written.set(told.request, times);
    if (times > 1 && client.plan.method === 'POST') {
      throw new Error(`request ${told.request} cannot be repeated, and was`);
    }
    this.visits.add(visit);
    for (const limiter of limitersOf(exchange)) {
      const { peer } = client.plan;
      if (limiter.algorithm === 'inFlight') this.watch.enter(limiter, peer, told.request);
      else if (times === 1) this.watch.pass(limiter, peer, client.beganMs, this.time.ms);
    }
  }

  onTargetEnd(visit: TargetVisit): void {
    if (!this.visits.delete(visit)) return;
    const { told, exchange } = visit;
    const { peer } = this.clientOf(told.request).plan;
    for (const limiter of limitersOf(exchange)) {
      if (limiter.algorithm === 'inFlight') this.watch.leave(limiter, peer, told.request);
    }
  }

  /** Its connections end with it, and its places may go to others. */
  onKilled(thread: PlayedThread): void {
    for (const visit of this.visits) if (visit.thread === thread) this.onTargetEnd(visit);
  }

  private clientOf(request: number): PlayedClient {
    const client = this.clients[request - 1];
    if (client === undefined) throw new Error(`nobody has sent request ${request}`);
    return client;
  }

  // What a history has happen.

  async start(): Promise<void> {
    let isStarted = false;
    this.supervisor.start().then(
      () => {
        isStarted = true;
      },
      (error: unknown) => this.mistakes.push(error),
    );
    while (!isStarted) await this.step();
  }

  request(plan: RequestPlan): void {
    const client = new PlayedClient(plan, this.time, this.random);
    this.clients.push(client);
    this.add(client);
    const query = `?n=${plan.request}&reply=${plan.replyBytes}&upload=${plan.uploadBytes}`;
    const bodyBytes = plan.hasLength || plan.uploadBytes === 0 ? plan.uploadBytes : -1;
    const { method, path, peer } = plan;
    const head = { method, target: path + query, peer, bodyBytes };
    this.engine.request({ ...head, fields: [['host', 'gateway.test']] }, client.socket);
  }

  flipTarget(): void {
    const { targets } = this.supervisor.config;
    const { origin } = this.random.pick(targets);
    if (!this.down.delete(origin)) this.down.add(origin);
  }

  killWorker(): void {
    const { workers } = this.threads;
    if (workers.length > 0) this.threads.kill(this.random.pick(workers));
  }

  hangWorker(): void {
    const { workers } = this.threads;
    if (workers.length > 0) this.random.pick(workers).isHung = true;
  }

  killCoordinator(): void {
    const { coordinator } = this.threads;
    if (this.isFused) coordinator?.burnAfter(this.random.below(300));
    else void coordinator?.terminate();
  }

  hangCoordinator(): void {
    const { coordinator } = this.threads;
    if (coordinator !== null) coordinator.isHung = true;
  }

  /** Brings the next version into force. One at a time. */
  reload(): void {
    if (this.isReloading) return;
    this.isReloading = true;
    this.version = (this.version + 1) % this.versions.length;
    const next = this.versions[this.version];
    if (next === undefined) return;
    const version = this.supervisor.beginVersion();
    const placed = placeConfig(shareConfig(next), rowsInUse(version.versions), version);
    this.supervisor.swap(placed).then(
      () => {
        this.isReloading = false;
        this.reloads += 1;
      },
      (error: unknown) => {
        // A thread died twice while it took the version: the one before stays in force.
        this.isReloading = false;
        this.refusedReloads.push(error);
      },
    );
  }

  private isReloading = false;
  readonly refusedReloads: unknown[] = [];

  async run(steps: number): Promise<void> {
    for (let count = 0; count < steps; count += 1) await this.step();
  }

  /** Somebody makes a step, or time goes on to when somebody can. */
  async step(): Promise<void> {
    this.steps += 1;
    const ready: Actor[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const actor of this.actors) {
      if (actor.isGone) this.actors.delete(actor);
      else if (actor.isReady) ready.push(actor);
      else nextMs = Math.min(nextMs, actor.nextDueMs);
    }
    if (ready.length === 0) {
      if (nextMs === Number.POSITIVE_INFINITY) throw new Error('nothing will ever happen again');
      if (nextMs <= this.time.ms) throw new Error('somebody is due and not ready');
      this.time.ms = nextMs;
      return;
    }
    const at = this.random.below(ready.length);
    this.digest = (Math.imul(this.digest, 31) + at * 7 + ready.length) | 0;
    const step = ready[at]?.step();
    if (step !== undefined) await step;
    // Whoever waits for a promise goes on before the next step.
    await new Promise((resolve) => setImmediate(resolve));
    this.checkNow();
  }

  private checkNow(): void {
    const [mistake] = this.mistakes;
    if (mistake !== undefined) throw mistake;
    for (const { exchange } of this.visits) {
      const { reply, isFinished } = exchange;
      if (isFinished) continue;
      if (reply.window < 0 || reply.window > WINDOW_BYTES) {
        throw new Error(`a window of ${reply.window} bytes`);
      }
    }
  }

  /** Nothing goes wrong any more, everybody hurries, and all comes to its end. */
  async settle(): Promise<void> {
    this.down.clear();
    this.failures = 0;
    const untilMs = this.time.ms + REST_MS_MAX;
    const limit = this.steps + STEPS_MAX;
    while (!this.isAtRest) {
      for (const client of this.clients) client.hurry();
      await this.step();
      if (this.time.ms < untilMs && this.steps < limit) continue;
      throw new Error(`not at rest: ${JSON.stringify(this.figures())}`);
    }
    await this.rest(1500);
  }

  /** Lets time pass: grants become void, epochs are let go. */
  private async rest(ms: number): Promise<void> {
    const untilMs = this.time.ms + ms;
    while (this.time.ms < untilMs) await this.step();
  }

  private get isAtRest(): boolean {
    const { length } = this.threads.workers;
    if (length < this.supervisor.workers || this.isReloading) return false;
    if (this.dispatcher.servedLanes < this.supervisor.workers) return false;
    return this.clients.every(({ isGone }) => isGone) && this.supervisor.readiness === 'ready';
  }

  private figures(): object {
    return {
      steps: this.steps,
      nowMs: this.time.ms,
      ready: [...this.actors].filter((one) => one.isReady).map((one) => one.constructor.name),
      served: this.dispatcher.servedLanes,
      readiness: this.supervisor.readiness,
      isReloading: this.isReloading,
      open: this.clients
        .filter(({ isGone }) => !isGone)
        .map(({ plan }) => plan)
        .slice(0, 5),
      lanes: this.dispatcher.figures(),
    };
  }

  /** What must hold when all has come to its end. */
  check(): void {
    for (const client of this.clients) {
      client.check();
      this.countEnd(client);
    }
    const { memory } = this.supervisor.coordinator;
    const { capacity, limiters, targets } = this.supervisor.config;
    const { upstreams } = this.supervisor.config;
    const counts = new LimitCountsView(memory.limitCounts);
    for (const { algorithm, index, name } of limiters) {
      if (algorithm === 'inFlight') expectZero(counts.read(index).trackedKeys, `keys of ${name}`);
    }
    const states = new TargetStateView(memory.targets);
    const status = new CoordinatorStatus(memory.status);
    const loads = new TargetLoadView(memory.loads, capacity.targets, status);
    const concurrency = new ConcurrencyView(memory.concurrency, capacity.upstreams, status);
    for (const { index, name } of upstreams) {
      expectZero(concurrency.inFlightOf(index), `requests in flight at ${name}`);
    }
    for (const { index, hostPort } of targets) {
      expectZero(states.probesOf(index), `probes of ${hostPort}`);
      expectZero(loads.inFlightOf(index), `requests in flight at ${hostPort}`);
    }
    // Whatever these words count: a try that was settled twice has made one of them negative.
    expectZero(
      new Int32Array(memory.loads).filter((word) => word < 0).length,
      'tries that were settled twice',
    );
    expectZero(this.dispatcher.table.inFlight, 'requests in flight');
    for (const [lane, figures] of this.dispatcher.figures().entries()) {
      const { inFlight, bodyBlocks, backlogBytes, requestBytes, replyBytes } = figures;
      const left = { inFlight, bodyBlocks, backlogBytes, requestBytes, replyBytes };
      for (const [name, value] of Object.entries(left))
        expectZero(value, `${name} of lane ${lane}`);
    }
    this.checkWorkers();
  }

  /** Nothing went wrong: nobody is told of a failure, and nobody waits for a deadline. */
  checkUntroubled(): void {
    for (const { socket, plan } of this.clients) {
      const status = socket.head?.status ?? 0;
      const isShed = status === 503 && socket.body.includes(PROBLEMS.overloaded.code);
      const isFine = [200, 401, 404, 429].includes(status) || isShed;
      if (!socket.isGone && (socket.isCutOff || !isFine)) {
        throw new Error(`request ${plan.request} ended with ${status}: ${socket.body}`);
      }
    }
  }

  private checkWorkers(): void {
    for (const worker of this.threads.workers) {
      // A ticker more would say that some deadline, grant or epoch is left.
      const { timerCount } = worker.clock;
      if (timerCount !== TIMERS_AT_REST)
        throw new Error(`${worker.name} has ${timerCount} timers at rest`);
    }
    const { epochs } = this.supervisor;
    if (epochs.length !== 1) throw new Error(`versions in use at rest: ${epochs}`);
    const alive = new Set(this.threads.workers.map(({ threadId }) => `thread${threadId}`));
    for (const { socket, plan } of this.clients) {
      const id = socket.head?.requestId ?? '';
      if (!alive.has(id.split('-', 1)[0] ?? '')) continue;
      if (this.records.get(id) !== 1) throw new Error(`request ${plan.request} has no record`);
    }
  }

  private countEnd({ socket }: PlayedClient): void {
    const end = socket.isGone ? 'left' : socket.isCutOff ? 'cut' : String(socket.head?.status);
    this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
  }
}

function limitersOf({ route }: Exchange): readonly CompiledLimiter[] {
  return route?.limiters ?? [];
}

function expectZero(value: number, what: string): void {
  if (value !== 0) throw new Error(`${what} at rest: ${value}`);
}
