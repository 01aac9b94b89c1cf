/**
 * Several gateways that share a store, in one thread, under clocks that are moved by hand: links are
 * slow, deaf or cut, the store hangs, dies and forgets, gateways stop, sleep and die.
 *
 * Coordinators, limits and the agents of the store's threads are the real ones. Time is the world's;
 * each gateway has clocks of its own, which may be a little too quick, stand still, or jump.
 */
import { VERDICT_ADMITTED } from '../../src/channel/coordinator/coordinator-records.js';
import { addCost, createTellCosts } from '../../src/channel/coordinator/tell-costs.js';
import {
  allocateStoreMemory,
  StoreAnswerer,
  StoreAsker,
  type StoreMemory,
} from '../../src/channel/store/store-channel.js';
import { TAKEN_LATE, type TakenFields } from '../../src/channel/store/store-records.js';
import { ClusterLimits } from '../../src/coordinator/cluster-limits.js';
import { StoreAgent } from '../../src/store/store-agent.js';
import { aClusterLimiter, aStore, type LimitWish } from '../support/cluster-node.js';
import {
  aCoordinatorConfig,
  anAsk,
  CoordinatorRig,
  ReplyKeeper,
} from '../support/coordinator-rig.js';
import { FakeClock } from '../support/fake-clock.js';
import { Agenda, SimLink, SimServer } from './cluster-store.js';
import type { SimRandom } from './seeds.js';

export const TIMEOUT_MS = 50;
/** Gateways that there may be: some start while the store is away. */
const NODES_MIN = 4;
const TICK_MS = 100;

export interface Admission {
  readonly limit: number;
  readonly key: number;
  readonly atMs: number;
}

/** A request in flight, or one that has ended, of a limit that counts these or their costs. */
export interface Flight extends Admission {
  readonly ticket: number;
  readonly endMs: number;
  /** In tokens, which its reply tells when it ends. */
  readonly cost: number;
}

/** Says some answers twice, and some later than others that came after them. */
class LooseAnswerer extends StoreAnswerer {
  private late: TakenFields | null = null;

  constructor(
    memory: StoreMemory,
    private readonly world: ClusterWorld,
  ) {
    super(memory);
  }

  override answer(taken: TakenFields): void {
    const { random, isLoose } = this.world;
    if (taken.outcome === TAKEN_LATE) this.world.late += 1;
    if (this.late === null && isLoose && random.chance(0.02)) {
      this.late = taken;
      return;
    }
    super.answer(taken);
    if (isLoose && random.chance(0.02)) super.answer(taken);
    if (this.late === null) return;
    super.answer(this.late);
    this.late = null;
  }
}

export class SimGateway {
  isStopped = false;
  isDead = false;
  readonly link: SimLink;
  readonly status: StoreAsker['status'];
  private readonly clock = new FakeClock({ ms: 0 });
  private readonly speed: number;
  private sleptMs = 0;
  wallAheadMs = 0;
  private readonly memory: StoreMemory;
  private readonly agent: StoreAgent;
  private asker: StoreAsker;
  private readonly rig: CoordinatorRig;
  private readonly asked = new Map<number, { limit: number; key: number; atMs: number }>();
  private askId = 0;
  private isWoken = false;
  private flights: Flight[] = [];
  longestWaitMs = 0;
  /** Requests that waited although the store was known to be lost. */
  waitedInVain = 0;

  constructor(
    private readonly world: ClusterWorld,
    private readonly id: string,
  ) {
    const { random, server, limits } = world;
    this.speed = 1 + (random.next() - 0.5) * 0.0008;
    this.setClock();
    this.memory = allocateStoreMemory(new SharedArrayBuffer(4096));
    this.link = new SimLink(server, this.clock);
    this.asker = new StoreAsker(this.memory);
    this.status = this.asker.status;
    const config = aCoordinatorConfig({
      limiters: limits.map(aClusterLimiter),
      trackedClients: 64,
    });
    this.rig = new CoordinatorRig(config, this.newLimits());
    this.agent = this.newAgent();
  }

  private newLimits(): ClusterLimits {
    this.asker.setWakePort({
      postMessage: () => {
        this.isWoken = true;
      },
    });
    return new ClusterLimits({
      store: this.asker,
      timeoutMs: TIMEOUT_MS,
      nodesMin: NODES_MIN,
      unixMs: () => this.world.agenda.nowMs + this.wallAheadMs,
    });
  }

  private newAgent(): StoreAgent {
    const agent = new StoreAgent({
      config: aStore(0, { timeoutMs: TIMEOUT_MS }),
      answerer: new LooseAnswerer(this.memory, this.world),
      client: this.link.client,
      clock: this.clock,
      nodeId: this.id,
      report: () => {},
    });
    this.clock.every(TICK_MS, () => agent.onTick());
    return agent;
  }

  /** Another coordinator goes on; what the one before it held is lost. */
  restartCoordinator(): void {
    this.asker = new StoreAsker(this.memory);
    this.asked.clear();
    this.rig.restartCoordinator(this.newLimits());
  }

  /** The machine sleeps: its monotonic clock stands still, its wall clock does not. */
  sleep(ms: number): void {
    this.isStopped = true;
    const { agenda } = this.world;
    agenda.at(agenda.nowMs + ms, () => {
      this.sleptMs += ms;
      this.isStopped = false;
    });
  }

  /** Nothing of it runs; its clocks go on. */
  stop(ms: number): void {
    this.isStopped = true;
    const { agenda } = this.world;
    agenda.at(agenda.nowMs + ms, () => {
      this.isStopped = false;
    });
  }

  die(): void {
    this.isDead = true;
    this.link.disconnect();
  }

  get isUp(): boolean {
    return this.asker.isUp;
  }

  get withoutStore(): number {
    return this.rig.status.readCounts().admittedWithoutStore;
  }

  request(limit: number, key: number): void {
    if (this.isStopped || this.isDead) return;
    this.askId += 1;
    const { nowMs } = this.world.agenda;
    const wasUp = this.isUp;
    this.asked.set(this.askId, { limit, key, atMs: nowMs });
    const worker = this.rig.worker(0);
    const hash = Math.imul(key, 0x85ebca6b);
    worker.ask(anAsk({ upstreamIndex: -1, askId: this.askId, limits: [[limit, hash, hash]] }));
    worker.flush();
    this.turn();
    if (!wasUp && this.asked.has(this.askId)) this.waitedInVain += 1;
  }

  /** One turn of each of its threads. */
  turn(): void {
    if (this.isStopped || this.isDead) return;
    this.setClock();
    while (this.clock.fireNext());
    if (this.isWoken) {
      this.isWoken = false;
      this.agent.onWake();
    }
    this.rig.step(this.clock.nowMs());
    const keeper = new ReplyKeeper();
    this.rig.worker(0).drainReplies(keeper);
    this.endRequests();
    for (const { askId, verdict, inFlightTicket } of keeper.replies) {
      const asked = this.asked.get(askId);
      if (asked === undefined) continue;
      this.asked.delete(askId);
      const { nowMs } = this.world.agenda;
      this.longestWaitMs = Math.max(this.longestWaitMs, nowMs - asked.atMs);
      if (verdict !== VERDICT_ADMITTED) continue;
      this.world.admit({ ...asked, atMs: nowMs });
      if (inFlightTicket !== 0) this.begin({ ...asked, atMs: nowMs }, inFlightTicket);
    }
  }

  /** Requests in flight; those of one that is dead have ended. */
  get inFlight(): number {
    return this.isDead ? 0 : this.flights.length;
  }

  private begin(admission: Admission, ticket: number): void {
    const { random, limits, flightMsMax, reservesMax } = this.world;
    const cost = random.below(Math.ceil(reservesMax * (limits[admission.limit]?.cost ?? 1)));
    const endMs = admission.atMs + random.below(flightMsMax);
    this.flights.push({ ...admission, ticket, endMs, cost });
    this.world.noteFlights();
  }

  private endRequests(): void {
    const worker = this.rig.worker(0);
    const { nowMs } = this.world.agenda;
    for (const flight of this.flights) {
      const { ticket, endMs, limit, cost } = flight;
      if (endMs > nowMs) continue;
      const costs = createTellCosts();
      addCost(costs, limit, cost);
      worker.tellInFlightEnd(ticket, costs);
      this.world.ended.push({ ...flight, endMs: nowMs });
    }
    this.flights = this.flights.filter(({ endMs }) => endMs > nowMs);
    worker.flush();
  }

  private setClock(): void {
    this.clock.time.ms = 1000 + (this.world.agenda.nowMs - this.sleptMs) * this.speed;
  }
}

export class ClusterWorld {
  readonly agenda = new Agenda();
  readonly server = new SimServer(this.agenda);
  readonly gateways: SimGateway[] = [];
  readonly admissions: Admission[] = [];
  readonly ended: Flight[] = [];
  /** How long requests take at most. */
  flightMsMax = 300;
  /** Requests cost less than this many reserves. */
  reservesMax = 2.5;
  /** Whether threads say answers twice, or later than others. */
  isLoose = true;
  /** Questions whose answers were late. */
  late = 0;
  /** The most requests in flight at a time, of limits that count these. */
  mostInFlight = 0;
  private ids = 0;

  constructor(
    readonly random: SimRandom,
    readonly limits: readonly LimitWish[],
    count = 3,
  ) {
    this.agenda.nowMs = 10;
    for (let at = 0; at < count; at += 1) this.addGateway();
  }

  addGateway(): SimGateway {
    this.ids += 1;
    const gateway = new SimGateway(this, `gateway${this.ids}`);
    this.gateways.push(gateway);
    return gateway;
  }

  admit(admission: Admission): void {
    this.admissions.push(admission);
  }

  noteFlights(): void {
    const now = this.gateways.reduce((sum, { inFlight }) => sum + inFlight, 0);
    this.mostInFlight = Math.max(this.mostInFlight, now);
  }

  /** A moment of all of them. Promises go on in between. */
  async step(ms: number): Promise<void> {
    this.agenda.advance(ms);
    for (const gateway of this.gateways) gateway.turn();
    await settled();
  }

  timesOf(limit: number, key: number): number[] {
    return this.admissions
      .filter((one) => one.limit === limit && one.key === key)
      .map(({ atMs }) => atMs);
  }
}

/** The steps of a promise chain of the agent, and some more. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await Promise.resolve();
}
