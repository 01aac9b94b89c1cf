/**
 * The acceptors of a gateway in threads of their own, as one: each has its own group of lanes.
 *
 * Thread: supervisor. Owns the supervisors of the threads, and the sockets that they share. An
 * acceptor and its group are a cell: of A acceptors, lane k is number floor(k / A) of acceptor
 * k mod A. No request crosses from one cell to another; the kernel spreads connections over the
 * acceptors. Of a TCP port each has a socket of its own where Node.js can share ports, else all
 * have one: shared-sockets.ts says why.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { AcceptorFront, FrontOwner } from '../acceptor/acceptor-front.js';
import { defined } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { ListenerAddress } from '../base/listener-address.js';
import type {
  AcceptorFigures,
  LaneFigures,
  ListenerFigures,
} from '../channel/acceptor/acceptor-figures.js';
import { allocateLoads } from '../channel/acceptor/acceptor-loads.js';
import { type AcceptorNotice, NewestNotices } from '../channel/acceptor/acceptor-notice.js';
import { type AddressMemory, allocateAddressCounts } from '../channel/acceptor/address-counts.js';
import { allocateCounters, type CounterMemory } from '../channel/counter-block.js';
import type { LaneMemory } from '../channel/lane.js';
import type { Port } from '../channel/port.js';
import { recordBytesOf } from '../channel/record-ring.js';
import type { ThreadFault } from '../channel/thread-fault.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import type { SharedConfig } from '../config/shared/shared-config.js';
import { counterCount } from '../observability/counters.js';
import { openFilesMax } from '../observability/kernel-facts.js';
import { AcceptorRests, NEVER } from './acceptor-rests.js';
import { AcceptorSupervisor } from './acceptor-supervisor.js';
import { sumByKind } from './acceptor-tally.js';
import { checkIsFree } from './free-address.js';
import { SharedSockets } from './shared-sockets.js';
import type { Threads } from './threads.js';

/** Acceptors that begin to listen at the same time: each starts a process for a moment. */
const AT_ONCE = 4;

export interface AcceptorCellsOptions {
  readonly first: SharedConfig;
  readonly clock: Clock;
  readonly threads: Threads;
  readonly logger: Logger;
}

export class AcceptorCells implements AcceptorFront {
  readonly counters: readonly CounterMemory[];
  readonly threadNames: readonly string[];

  private readonly cells: readonly AcceptorSupervisor[];
  private readonly laneCount: number;
  private readonly clock: Clock;
  private readonly rests: AcceptorRests;
  private readonly sharesPorts: boolean;
  private readonly notices = new NewestNotices();
  /** Lanes that have a worker. */
  private readonly attended = new Set<number>();
  private readonly sockets = new SharedSockets();
  /** What acceptors listen at now. */
  private inForce: readonly ListenerSettings[] = [];
  /** Of the configuration that is to come into force; empty: there is none. */
  private prepared: readonly ListenerSettings[] = [];
  private owner: FrontOwner | null = null;

  constructor({ first, clock, threads, logger }: AcceptorCellsOptions) {
    this.sharesPorts = first.settings.machine.sharesPorts;
    const { workers, acceptors, capacity } = first.settings;
    this.laneCount = workers;
    const loads = allocateLoads(acceptors);
    this.clock = clock;
    this.rests = new AcceptorRests(acceptors);
    const addresses = acceptors === 1 ? null : addressMemory(first);
    const filesMax = openFilesMax();
    const places = Array.from({ length: acceptors }, (_, acceptor) => acceptor);
    this.counters = places.map(() =>
      allocateCounters(counterCount(capacity), recordBytesOf(first.settings)),
    );
    this.threadNames = places.map((acceptor) =>
      acceptors === 1 ? 'acceptor' : `acceptor-${acceptor}`,
    );
    this.cells = places.map((acceptor) => {
      const lanes = this.lanesOf(acceptor, acceptors);
      const counters = defined(this.counters[acceptor], 'the counters of an acceptor');
      const name = defined(this.threadNames[acceptor], 'the name of an acceptor');
      const { length: laneCount } = lanes;
      return new AcceptorSupervisor({
        task: {
          ...{ name, laneCount, filesMax, counters, loads, addresses, acceptor },
          acceptorCount: acceptors,
        },
        config: first,
        ...{ clock, threads, logger },
        notices: () => this.notices.all(),
        restMs: () => this.restMs(acceptor),
        onLanesLost: () => this.owner?.onLanesLost(lanes),
      });
    });
  }

  /** One acceptor alone is a thread like others. Of several the others go on without it. */
  private restMs(acceptor: number): number {
    if (this.cells.length === 1) return this.owner?.mayRestart() === true ? 0 : NEVER;
    const restMs = this.rests.onDeath(acceptor, this.clock.nowMs());
    if (restMs === NEVER) this.owner?.onAllDying();
    return restMs;
  }

  private lanesOf(acceptor: number, acceptors: number): number[] {
    const lanes: number[] = [];
    for (let lane = acceptor; lane < this.laneCount; lane += acceptors) lanes.push(lane);
    return lanes;
  }

  async begin(owner: FrontOwner): Promise<void> {
    this.owner = owner;
    await Promise.all(this.cells.map((cell) => cell.start()));
  }

  attachLane(lane: number, memory: LaneMemory, doorbell: Port): void {
    this.attended.add(lane);
    const order = { type: 'attach', lane: this.placeOf(lane), memory, doorbell } as const;
    this.cellOf(lane).send(order, [doorbell]);
  }

  suspendLane(lane: number): void {
    this.tellOfLane('suspend', lane);
  }

  resumeLane(lane: number): void {
    this.tellOfLane('resume', lane);
  }

  detachLane(lane: number): Promise<void> {
    this.attended.delete(lane);
    return this.cellOf(lane).detachLane(this.placeOf(lane));
  }

  abandonLane(lane: number): void {
    this.attended.delete(lane);
    this.tellOfLane('abandon', lane);
  }

  private tellOfLane(type: 'suspend' | 'resume' | 'abandon', lane: number): void {
    this.cellOf(lane).send({ type, lane: this.placeOf(lane) });
  }

  private cellOf(lane: number): AcceptorSupervisor {
    return defined(this.cells[lane % this.cells.length], 'the acceptor of a lane');
  }

  /** Where a lane is among those of its acceptor. */
  private placeOf(lane: number): number {
    return Math.floor(lane / this.cells.length);
  }

  get attendedLanes(): number {
    let count = 0;
    for (const lane of this.attended) if (this.cellOf(lane).isRunning) count += 1;
    return count;
  }

  /** Cells that serve nobody: their acceptor is away, or all of their workers are. */
  get idleCells(): number {
    const { length } = this.cells;
    const serving = new Set<number>();
    for (const lane of this.attended) if (this.cellOf(lane).isRunning) serving.add(lane % length);
    return length - serving.size;
  }

  /** Acceptors that die again and again, and are started again later. */
  get restingAcceptors(): number {
    return this.cells.filter(({ isResting }) => isResting).length;
  }

  get hasAcceptor(): boolean {
    return this.cells.some(({ isRunning }) => isRunning);
  }

  tell(notice: AcceptorNotice): void {
    this.notices.add(notice);
    for (const cell of this.cells) cell.send({ type: 'notice', notice });
  }

  async startListeners(listeners: readonly ListenerSettings[]): Promise<void> {
    await this.inGroups((cell, part) => cell.startListeners(part), listeners);
    this.inForce = listeners;
  }

  async prepareListeners(listeners: readonly ListenerSettings[]): Promise<void> {
    this.prepared = listeners;
    try {
      await this.inGroups((cell, part) => cell.prepareListeners(part), listeners);
    } catch (error) {
      this.discardListeners();
      throw error;
    }
  }

  /** Those whose places rest have no new figures, and no new ports. */
  private get awakeFirst(): readonly AcceptorSupervisor[] {
    return [...this.cells].sort((one, other) => Number(one.isResting) - Number(other.isResting));
  }

  /** The first acceptor first: the others have the ports that it has got. */
  private async inGroups(
    step: (cell: AcceptorSupervisor, listeners: readonly ListenerSettings[]) => Promise<void>,
    listeners: readonly ListenerSettings[],
  ): Promise<void> {
    const [first, ...others] = this.awakeFirst;
    if (first === undefined) return;
    if (others.length > 0) await this.checkAreFree(listeners);
    await this.sockets.open(listeners.filter((one) => this.hasOneSocket(one)));
    const part = this.partOf(listeners);
    await step(first, part);
    for (const cell of others) cell.usePorts(first.portsInUse);
    for (let begin = 0; begin < others.length; begin += AT_ONCE) {
      const group = others.slice(begin, begin + AT_ONCE);
      // All have ended before anything is closed that one of them may still copy.
      const ends = await Promise.allSettled(group.map((cell) => step(cell, part)));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    }
  }

  /** Ports that several sockets are to share; those that are there already are ours. */
  private async checkAreFree(listeners: readonly ListenerSettings[]): Promise<void> {
    const isOurs = ({ address }: ListenerSettings): boolean =>
      address.kind === 'tcp' &&
      this.listenerFigures().some((one) => one.host === address.host && one.port === address.port);
    for (const one of listeners) {
      if (!this.hasOneSocket(one) && !isOurs(one)) await checkIsFree(one);
    }
  }

  /** Acceptors take its connections from one socket, and bind none of their own. */
  private hasOneSocket({ address }: ListenerSettings): boolean {
    if (address.kind === 'inherited') return true;
    return this.cells.length > 1 && !(address.kind === 'tcp' && this.sharesPorts);
  }

  private partOf(listeners: readonly ListenerSettings[]): readonly ListenerSettings[] {
    return listeners.map((one) => ({ ...one, address: this.addressFor(one) }));
  }

  private addressFor(listener: ListenerSettings): ListenerAddress {
    const { address } = listener;
    const descriptor = this.sockets.descriptorOf(listener);
    if (descriptor !== undefined) return { ...address, descriptor };
    if (address.kind !== 'tcp' || this.cells.length === 1) return address;
    return { ...address, reusePort: true };
  }

  discardListeners(): void {
    for (const cell of this.cells) cell.discardListeners();
    this.prepared = [];
    void this.dropSockets();
  }

  listenerFigures(): readonly ListenerFigures[] {
    const [first, ...others] = this.awakeFirst.map((cell) => cell.listenerFigures);
    return (first ?? []).map((one) => {
      const same = others.flatMap((list) => list.filter(({ name }) => name === one.name));
      const sum = (figure: (listener: ListenerFigures) => number): number =>
        same.reduce((total, other) => total + figure(other), figure(one));
      return {
        ...one,
        openConnections: sum(({ openConnections }) => openConnections),
        http2Connections: sum(({ http2Connections }) => http2Connections),
        http2Streams: sum(({ http2Streams }) => http2Streams),
        refusedConnections: sum(({ refusedConnections }) => refusedConnections),
        turnedAway: sumByKind([one, ...same].flatMap(({ turnedAway }) => turnedAway)),
        mistakes: sumByKind([one, ...same].flatMap(({ mistakes }) => mistakes)),
        handshakes: sumByKind([one, ...same].flatMap(({ handshakes }) => handshakes)),
      };
    });
  }

  async adopt(config: SharedConfig): Promise<void> {
    const { listeners } = config.settings;
    const part = this.partOf(listeners);
    await Promise.all(this.cells.map((cell) => cell.adopt(config, part)));
    this.inForce = listeners;
    this.prepared = [];
    void this.dropSockets();
  }

  beginDrain(): void {
    for (const cell of this.cells) cell.beginDrain();
  }

  stopListening(): void {
    for (const cell of this.cells) cell.stopListening();
    this.inForce = [];
    this.prepared = [];
    void this.dropSockets();
  }

  /**
   * Those of listeners in force stay, and of those to come. An acceptor that begins may still copy
   * one of the others: its number, closed meanwhile, could be another file's by then.
   */
  private async dropSockets(): Promise<void> {
    await Promise.all(this.cells.map((cell) => cell.whenOpened()));
    this.sockets.keepOnly([...this.inForce, ...this.prepared]);
  }

  async whenEmpty(timeoutMs: number): Promise<boolean> {
    const empty = await Promise.all(this.cells.map((cell) => cell.whenEmpty(timeoutMs)));
    return empty.every((isEmpty) => isEmpty);
  }

  async close(): Promise<void> {
    await Promise.all(this.cells.map((cell) => cell.close()));
    this.sockets.close();
  }

  /** Makes an acceptor fail, for tests. False: it has no thread now. */
  injectFault(acceptor: number, fault: ThreadFault): boolean {
    return this.cells[acceptor]?.injectFault(fault) ?? false;
  }

  get threadCount(): number {
    return this.cells.length;
  }

  async refresh(): Promise<void> {
    await Promise.all(this.cells.map((cell) => cell.refresh()));
  }

  get inFlight(): number {
    return this.cells.reduce((total, cell) => total + cell.inFlight, 0);
  }

  laneFigures(): LaneFigures[] {
    const byCell = this.cells.map((cell) => cell.laneFigures);
    return Array.from({ length: this.laneCount }, (_, lane) => {
      const figures = byCell[lane % this.cells.length]?.[this.placeOf(lane)];
      return defined(figures, 'the figures of a lane');
    });
  }

  acceptorFigures(): AcceptorFigures[] {
    return this.cells.map(({ figures }) => figures);
  }
}

/** The hash has a key of its own in each process: nobody can look for addresses that share one. */
function addressMemory({ settings }: SharedConfig): AddressMemory {
  const key = randomBytes(8);
  const halves = [key.readInt32LE(0), key.readInt32LE(4)] as const;
  return allocateAddressCounts(settings.acceptors, settings.limits.connections, halves);
}
