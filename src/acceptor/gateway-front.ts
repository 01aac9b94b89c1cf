/**
 * The front of a gateway in one thread: what takes requests, hands them to lanes, and counts what
 * it answers itself.
 *
 * Thread: acceptor. Owns the acceptor, the dispatcher, and the writing of this thread's counters.
 */
import { randomBytes } from 'node:crypto';
import type { Clock, Random } from '../base/clock.js';
import { RequestIdSource } from '../base/request-id.js';
import type {
  AcceptorFigures,
  LaneFigures,
  ListenerFigures,
} from '../channel/acceptor/acceptor-figures.js';
import { FITNESS } from '../channel/acceptor/acceptor-loads.js';
import type { AcceptorNotice } from '../channel/acceptor/acceptor-notice.js';
import { CounterBlock, type CounterMemory, refusalRingOffset } from '../channel/counter-block.js';
import type { LaneMemory } from '../channel/lane.js';
import type { LineRingWriter } from '../channel/line-ring.js';
import type { Port } from '../channel/port.js';
import { recordRing } from '../channel/record-ring.js';
import { RefusalRingWriter } from '../channel/refusal-ring.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import type { ServedConfig, SharedConfig, SharedSettings } from '../config/shared/shared-config.js';
import { createRequestLog } from '../observability/access-log.js';
import { counterCount } from '../observability/counters.js';
import { hasFreeFile, osThreadId } from '../observability/kernel-facts.js';
import type { ThreadLogger } from '../observability/logger.js';
import { ThreadMeter } from '../observability/thread-meter.js';
import { Acceptor, type EngineSource } from './acceptor.js';
import type { AcceptorFront } from './acceptor-front.js';
import type { Cell } from './cell.js';
import type { ConnectionRule } from './connection-caps.js';
import { connectionRule, inFlightMax } from './connection-rule.js';
import { dispatchRule } from './dispatch-rule.js';
import { LaneDispatcher } from './lane-dispatcher.js';
import { LocalReplyMetrics } from './local-reply-metrics.js';
import { RefusalFields } from './refusal-fields.js';
import { SharedQueues } from './shared-queues.js';
import { StrangerNotes } from './stranger-notes.js';

export interface FrontOptions {
  readonly config: SharedSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: ThreadLogger;
  readonly engines: EngineSource;
  /** Absent: this is the only acceptor, on the main thread. */
  readonly cell?: Cell;
  /** How many lanes may be attached. */
  readonly laneCount: number;
  /** How many open files the process may have, as of its start. */
  readonly filesMax: number;
  /** Figures of this thread; they may go on from those of an earlier one. */
  readonly counters: CounterMemory;
  /** What is in force now; called for requests, not before. */
  servedConfig(): ServedConfig;
}

/** How long a gateway that ends waits for the first requests of connections in a handshake. */
const NEWCOMERS_MS_MAX = 2000;
const NEWCOMERS_LOOK_MS = 20;

export class GatewayFront implements AcceptorFront {
  readonly counters: readonly CounterMemory[];
  readonly threadNames = ['acceptor'];

  private readonly acceptor: Acceptor;
  private readonly dispatcher: LaneDispatcher;
  private config: SharedSettings;
  private readonly localReplies: LocalReplyMetrics;
  /** null: records are not kept for a replay. */
  private readonly records: LineRingWriter | null;
  private readonly meter: ThreadMeter;
  /** null: there are no other acceptors. */
  private readonly queues: SharedQueues | null;
  private readonly osThreadId = osThreadId();
  private refusals: RefusalFields | null = null;

  constructor(private readonly options: FrontOptions) {
    const { config, clock, random, log, engines, cell, laneCount, filesMax } = options;
    const onError = (error: unknown): void => log.logger.error({ err: error }, 'internal error');
    this.config = config;
    this.counters = [options.counters];
    const rule = {
      ...dispatchRule(config, filesMax),
      ...(cell === undefined ? {} : { cell }),
    };
    this.dispatcher = new LaneDispatcher(laneCount, rule, onError, clock);
    this.tellPressure();
    const counters = new CounterBlock(options.counters);
    this.meter = new ThreadMeter(clock, counters, log.dropped, () => this.onBeat());
    const offset = refusalRingOffset(counterCount(config.capacity));
    this.records = recordRing(options.counters, counterCount(config.capacity));
    this.localReplies = new LocalReplyMetrics(
      clock,
      counters,
      new RefusalRingWriter(options.counters, offset),
      createRequestLog(log, this.records, config.logging, random),
    );
    this.dispatcher.repeats.onUncounted = (refusal) => this.localReplies.closeUncounted(refusal);
    const hasOthers = cell !== undefined && cell.acceptorCount > 1;
    this.queues = hasOthers ? new SharedQueues(cell.loads, clock) : null;
    this.acceptor = new Acceptor({
      engines,
      clock,
      config,
      dispatcher: this.dispatcher,
      requestIds: new RequestIdSource(randomBytes(6).toString('hex')),
      connections: this.connectionRule(),
      loads: cell?.loads,
      addresses: cell?.addresses,
      queues: this.queues,
      strangers: new StrangerNotes(clock, counters, log),
      hasFreeFile,
      onFilesShort: () => this.tellOfFiles(),
      onAddressFull: (network) => this.warnOfAddress(network),
      fieldsOfRefusal: (method, target, text, listener) =>
        this.refusalFields().fieldsFor(method, target, text, listener),
      pageOfRefusal: (refused, text, listener) =>
        this.refusalFields().pageFor(refused, text, listener),
      onLocalReply: (record) => this.localReplies.close(record),
      onError,
    });
  }

  begin(): Promise<void> {
    return Promise.resolve();
  }

  attachLane(lane: number, memory: LaneMemory, doorbell: Port): void {
    doorbell.on('message', () => this.dispatcher.onDoorbell());
    this.dispatcher.attach(lane, memory, doorbell);
    this.tellFitness();
  }

  suspendLane(lane: number): void {
    this.dispatcher.suspend(lane);
    this.tellFitness();
  }

  resumeLane(lane: number): void {
    this.dispatcher.resume(lane);
    this.tellFitness();
  }

  detachLane(lane: number): Promise<void> {
    this.dispatcher.detach(lane);
    this.tellFitness();
    return Promise.resolve();
  }

  abandonLane(lane: number): void {
    this.dispatcher.abandon(lane);
    this.tellFitness();
  }

  get attendedLanes(): number {
    return this.dispatcher.attendedLanes;
  }

  /** It is this thread. */
  readonly hasAcceptor = true;

  async startListeners(listeners: readonly ListenerSettings[]): Promise<void> {
    await this.acceptor.prepare(listeners);
    this.acceptor.commit();
    this.tellFitness();
  }

  prepareListeners(listeners: readonly ListenerSettings[]): Promise<void> {
    return this.acceptor.prepare(listeners);
  }

  discardListeners(): void {
    this.acceptor.discard();
  }

  listenerFigures(): readonly ListenerFigures[] {
    return this.acceptor.listeners;
  }

  adopt({ settings: config }: SharedConfig): Promise<void> {
    const { log, random } = this.options;
    this.config = config;
    log.logger.level = config.logging.level;
    this.localReplies.adopt(createRequestLog(log, this.records, config.logging, random));
    this.acceptor.adopt(config, this.ruleOf(config));
    this.acceptor.commit();
    this.tellFitness();
    this.tellPressure();
    return Promise.resolve();
  }

  tell(notice: AcceptorNotice): void {
    this.acceptor.onNotice(notice);
  }

  beginDrain(): void {
    this.acceptor.beginDrain();
  }

  stopListening(): void {
    this.acceptor.stopListening();
    this.tellFitness();
  }

  async whenEmpty(timeoutMs: number): Promise<boolean> {
    const { clock } = this.options;
    const { table } = this.dispatcher;
    const untilMs = clock.nowMs() + timeoutMs;
    const newcomersUntilMs = clock.nowMs() + Math.min(timeoutMs, NEWCOMERS_MS_MAX);
    for (;;) {
      const isEmpty = await table.whenEmpty(Math.max(0, untilMs - clock.nowMs()));
      // Whoever is in a handshake has a request, most likely; it is no request that would be cut.
      if (!isEmpty || this.acceptor.newcomers === 0) return isEmpty;
      if (clock.nowMs() >= newcomersUntilMs) return true;
      await new Promise<void>((resolve) => void clock.after(NEWCOMERS_LOOK_MS, resolve));
    }
  }

  close(): Promise<void> {
    this.acceptor.close();
    this.meter.stop();
    return Promise.resolve();
  }

  get inFlight(): number {
    return this.dispatcher.table.inFlight;
  }

  laneFigures(): LaneFigures[] {
    return this.dispatcher.figures();
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  acceptorFigures(): AcceptorFigures[] {
    return [this.ownFigures()];
  }

  /** Of this acceptor, which knows of no other. */
  ownFigures(): AcceptorFigures {
    const { inFlight, dispatcher, acceptor, osThreadId } = this;
    const { movedRequests } = dispatcher;
    const connections = acceptor.connectionFigures;
    const isServing = acceptor.listeners.length > 0;
    const requests = acceptor.requestCount;
    return {
      ...{ isServing, requests, osThreadId, inFlight, connections, movedRequests },
      ...{ deaths: 0, lostConnections: 0, isResting: false },
    };
  }

  private onBeat(): void {
    this.options.cell?.loads.beat();
    this.acceptor.lookForFiles();
    this.tellFitness();
  }

  /** Other acceptors take connections in place of one that is not fit. */
  private tellFitness(): void {
    const { cell } = this.options;
    if (cell === undefined) return;
    const { isStrained } = this.dispatcher;
    const fitness = isStrained ? FITNESS.strained : FITNESS.serving;
    cell.loads.setFitness(this.acceptor.isListening ? fitness : FITNESS.closed);
    if (isStrained) this.queues?.reconsider();
  }

  private refusalFields(): RefusalFields {
    const config = this.options.servedConfig();
    if (this.refusals?.config !== config) this.refusals = new RefusalFields(config);
    return this.refusals;
  }

  private tellPressure(): void {
    this.dispatcher.isPressureTold = this.config.facts.hasPriorities;
  }

  private connectionRule(): ConnectionRule {
    const rule = this.ruleOf(this.config);
    const { connectionsMax } = rule;
    if (connectionsMax < this.config.limits.connections) {
      const message = 'fewer connections than limits.connections: raise ulimit -n';
      this.options.log.logger.warn({ connectionsMax }, message);
    }
    const inFlight = inFlightMax(this.config, this.options.filesMax);
    if (inFlight < this.config.limits.inFlight) {
      const message = 'fewer requests in flight than limits.inFlight: raise ulimit -n';
      this.options.log.logger.warn({ inFlightMax: inFlight }, message);
    }
    return rule;
  }

  private ruleOf(config: SharedSettings): ConnectionRule {
    return connectionRule(config, this.options.filesMax);
  }

  private tellOfFiles(): void {
    this.options.log.logger.error(
      { filesMax: this.options.filesMax },
      'no more files can be opened: connections are let go; raise ulimit -n, or lower limits',
    );
  }

  private warnOfAddress(network: string): void {
    const { connectionsPerAddress } = this.config.limits;
    this.options.log.logger.warn(
      { address: network, connectionsPerAddress },
      'a client address reached its limit of connections; a proxy belongs in trustedProxies',
    );
  }
}
