/**
 * Where clients come in: engines that speak with them, listeners, and an exchange for each request.
 *
 * Thread: acceptor. Owns engines, listeners, the counts of connections, and what holds for requests
 * that begin now: sizes, and whether the gateway drains. Listeners change in two steps:
 *
 *     prepare   binds what is new; what cannot be bound refuses the whole change
 *     commit    new ones take connections, changed ones have other settings, others drain
 *     discard   in place of commit: closes what prepare() has bound
 */
import type { Clock, Timer } from '../base/clock.js';
import type { ErrorPage } from '../base/error-pages.js';
import type { FieldBlock } from '../base/field-block.js';
import { addressText, type EngineName } from '../base/listener-address.js';
import type { RequestIdSource } from '../base/request-id.js';
import { StartupError } from '../base/startup-error.js';
import type { ConnectionFigures, ListenerFigures } from '../channel/acceptor/acceptor-figures.js';
import type { AcceptorLoads } from '../channel/acceptor/acceptor-loads.js';
import type { AcceptorNotice } from '../channel/acceptor/acceptor-notice.js';
import type { AddressCounts } from '../channel/acceptor/address-counts.js';
import type { TlsMaterial } from '../channel/tls-material.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import { AcceptorListener, type ListenerOwner } from './acceptor-listener.js';
import type { ClientEngine, CreateEngine, EngineHost } from './client-engine.js';
import { ConnectionCaps, type ConnectionRule } from './connection-caps.js';
import { FileShortage } from './file-shortage.js';
import type { LaneDispatcher } from './lane-dispatcher.js';
import type { LocalReplyRecord, RefusedRequest } from './local-reply.js';
import type { SharedQueues } from './shared-queues.js';
import type { StrangerEvents } from './stranger-notes.js';
import { LOOK_MS } from './upload-pace.js';

/** What the acceptor goes by, and a reload may change. */
export interface AcceptorConfig {
  readonly limits: Pick<
    GatewaySettings['limits'],
    'headerBytes' | 'headerFields' | 'bodyBytes' | 'bodyOnGet' | 'lingerBytes' | 'bodyRate'
  >;
}

/** Which engine serves a listener, and how engines are made. */
export interface EngineSource {
  engineOf(listener: ListenerSettings): EngineName;
  /** @throws StartupError when there is no such engine on this machine. */
  create(name: EngineName): CreateEngine;
}

export interface AcceptorOptions {
  readonly engines: EngineSource;
  readonly clock: Clock;
  readonly config: AcceptorConfig;
  readonly dispatcher: LaneDispatcher;
  readonly requestIds: RequestIdSource;
  readonly connections: ConnectionRule;
  /** Where several acceptors count their connections; absent: there is one. */
  readonly loads?: AcceptorLoads | undefined;
  readonly addresses?: AddressCounts | null | undefined;
  readonly queues?: SharedQueues | null | undefined;
  /** Fields for the reply to a request that never reaches a worker, by its head and listener. */
  fieldsOfRefusal(method: string, target: string, text: string, listener: string): FieldBlock;
  /** Its page, in the same way; null: it is a problem document. */
  pageOfRefusal(refused: RefusedRequest, text: string, listener: string): ErrorPage | null;
  onLocalReply(record: LocalReplyRecord): void;
  /** An address has as many connections as it may. */
  onAddressFull(network: string): void;
  readonly strangers: StrangerEvents;
  /** The process can open another file. */
  hasFreeFile(): boolean;
  /** It can open none, and connections are let go. */
  onFilesShort(): void;
  /** A mistake of ours while handling one request; that request is cut off. */
  onError(error: unknown): void;
}

interface Member {
  readonly listener: AcceptorListener;
  readonly engine: EngineName;
}

/** What commit() brings into force: sockets by address, and the settings of each. */
interface Plan {
  readonly members: ReadonlyMap<string, Member>;
  readonly settings: ReadonlyMap<string, ListenerSettings>;
  readonly opened: readonly AcceptorListener[];
}

export class Acceptor implements EngineHost, ListenerOwner {
  readonly clock: Clock;
  readonly dispatcher: LaneDispatcher;
  readonly requestIds: RequestIdSource;
  readonly strangers: StrangerEvents;
  readonly loads: AcceptorLoads | undefined;
  readonly queues: SharedQueues | null;
  guardLimits: AcceptorConfig['limits'];
  isDraining = false;
  isClosed = false;
  requestCount = 0;

  private connectionCount = 0;
  private readonly engines = new Map<EngineName, ClientEngine>();
  private readonly looks: Timer;
  private readonly caps: ConnectionCaps;
  private readonly files: FileShortage;
  /** By address. */
  private members: ReadonlyMap<string, Member> = new Map();
  private plan: Plan | null = null;
  /** What is bound from now on has come too late. */
  private isStopped = false;
  private readonly materials = new Map<number, TlsMaterial>();
  /** For an ACME server, by token. */
  challengeAnswers: ReadonlyMap<string, string> = new Map();

  constructor(private readonly options: AcceptorOptions) {
    const { connections: rule, clock, onAddressFull, onError } = options;
    this.clock = clock;
    this.dispatcher = options.dispatcher;
    this.requestIds = options.requestIds;
    this.strangers = options.strangers;
    this.guardLimits = options.config.limits;
    this.looks = clock.every(LOOK_MS, () => this.look());
    const { loads, addresses, queues = null } = options;
    this.loads = loads;
    this.queues = queues;
    const counted = { rule, loads, addresses, nowMs: clock.nowMs };
    this.caps = new ConnectionCaps({ ...counted, onAddressFull, onError });
    this.files = new FileShortage({
      nowMs: clock.nowMs,
      hasFreeFile: () => options.hasFreeFile(),
      openConnections: () => this.caps.openOfAll,
      letGo: (count) => this.letGo(count),
      onShortage: () => options.onFilesShort(),
    });
  }

  /** To be called some times in a second. */
  lookForFiles(): void {
    this.files.look();
    this.caps.shortageMax = this.files.connectionsMax;
  }

  private letGo(count: number): void {
    for (const { listener } of this.members.values()) listener.letGo(count);
  }

  /**
   * Binds what these listeners need and the acceptor does not have yet. Nothing is in force before
   * commit(); rejects when an address cannot be had, and then nothing has changed. What was
   * prepared before does not come into force.
   */
  async prepare(listeners: readonly ListenerSettings[]): Promise<void> {
    this.discard();
    const members = new Map<string, Member>();
    const settings = new Map<string, ListenerSettings>();
    const opened: AcceptorListener[] = [];
    try {
      for (const one of listeners) {
        const key = socketKey(one);
        const engine = this.options.engines.engineOf(one);
        const known = this.members.get(key);
        if (known !== undefined && known.engine !== engine) {
          const change = `${known.engine} -> ${engine}`;
          throw new StartupError(`the engine of ${one.name} (${change}) takes a restart`);
        }
        settings.set(key, one);
        members.set(key, known ?? (await this.bind(one, engine, opened)));
      }
    } catch (error) {
      for (const listener of opened) listener.stop();
      throw error;
    }
    this.plan = { members, settings, opened };
    if (this.isStopped) this.discard();
  }

  /** What was prepared is in force: others than these listeners take no more connections. */
  commit(): void {
    const { plan } = this;
    if (plan === null) return;
    this.plan = null;
    for (const [key, settings] of plan.settings) plan.members.get(key)?.listener.adopt(settings);
    for (const [key, { listener }] of this.members) {
      if (!plan.members.has(key)) listener.stop();
    }
    this.members = plan.members;
    this.loads?.keepListeners(new Set([...plan.settings.values()].map(({ index }) => index)));
    if (this.isDraining) this.drainListeners();
  }

  /** What was prepared does not come into force. */
  discard(): void {
    for (const listener of this.plan?.opened ?? []) listener.stop();
    this.plan = null;
  }

  /** Those in force, in the order of the configuration. */
  get listeners(): readonly ListenerFigures[] {
    return [...this.members.values()].map(({ listener, engine }) => {
      const { settings, port, openConnections, refusedConnections } = listener;
      const { http2Connections, http2Streams } = listener;
      const handshakes = [...listener.handshakes];
      const turnedAway = [...listener.turnedAway];
      const mistakes = [...listener.mistakes];
      const { name, address } = settings;
      const host = address.kind === 'tcp' ? address.host : addressText(address);
      return {
        name,
        host,
        engine,
        port,
        openConnections,
        http2Connections,
        http2Streams,
        refusedConnections,
        turnedAway,
        mistakes,
        handshakes,
      };
    });
  }

  /** Connections in a handshake, or about to send their first request. */
  get newcomers(): number {
    let count = 0;
    for (const { listener } of this.members.values()) count += listener.newcomers;
    return count;
  }

  /** New connections have a listener to come to. */
  get isListening(): boolean {
    return this.members.size > 0 && !this.isStopped;
  }

  get connectionFigures(): ConnectionFigures {
    const { open, refusedInAll, refusedOfAddress } = this.caps;
    return { open, taken: this.connectionCount, refusedInAll, refusedOfAddress };
  }

  /** Sizes of requests that begin from now on, and whose connections are counted. */
  adopt({ limits }: AcceptorConfig, connections: ConnectionRule): void {
    this.guardLimits = limits;
    this.caps.adopt(connections);
  }

  /** Connections close behind their replies from now on; new ones are still taken. */
  beginDrain(): void {
    this.isDraining = true;
  }

  /** No new connections; those that are open finish what they have, and close behind it. */
  stopListening(): void {
    this.beginDrain();
    this.isStopped = true;
    this.discard();
    this.drainListeners();
  }

  /** Closes every connection at once. */
  close(): void {
    this.looks.cancel();
    this.isClosed = true;
    for (const engine of this.engines.values()) engine.close();
    // Workers must see this before they are told to stop.
    this.dispatcher.repeats.flush();
    this.dispatcher.onDoorbell();
  }

  private drainListeners(): void {
    for (const { listener } of this.members.values()) listener.stop();
  }

  private async bind(
    settings: ListenerSettings,
    name: EngineName,
    opened: AcceptorListener[],
  ): Promise<Member> {
    const known = this.engines.get(name);
    const engine = known ?? this.options.engines.create(name)(this);
    this.engines.set(name, engine);
    const listener = new AcceptorListener(this, settings, engine.tellsWhoCloses);
    listener.onBound(await engine.open(listener));
    opened.push(listener);
    if (known === undefined && !engine.tellsWhoCloses) {
      this.caps.useCensus(await engine.createCensus());
    }
    return { listener, engine: name };
  }

  private look(): void {
    const bytesMin = (this.guardLimits.bodyRate * LOOK_MS) / 1000;
    this.dispatcher.table.forEach((downstream) => {
      downstream.onLook(bytesMin);
    });
  }

  /** Something that the main thread has for listeners. */
  onNotice(notice: AcceptorNotice): void {
    if (notice.kind === 'tls') this.materials.set(notice.listener, notice.material);
    else this.challengeAnswers = notice.answers;
  }

  tlsMaterial(listener: number): TlsMaterial | null {
    return this.materials.get(listener) ?? null;
  }

  unsentOfAll(own: number): number {
    return this.loads?.setUnsent(own) ?? own;
  }

  // What listeners and their exchanges ask and tell.

  get bodyBytesMax(): number {
    return this.guardLimits.bodyBytes;
  }

  get lingerBytesMax(): number {
    return this.guardLimits.lingerBytes;
  }

  fieldsOfRefusal(method: string, target: string, text: string, listener: string): FieldBlock {
    return this.options.fieldsOfRefusal(method, target, text, listener);
  }

  pageOfRefusal(refused: RefusedRequest, text: string, listener: string): ErrorPage | null {
    return this.options.pageOfRefusal(refused, text, listener);
  }

  onLocalReply(record: LocalReplyRecord): void {
    this.options.onLocalReply(record);
  }

  onError(error: unknown): void {
    this.options.onError(error);
  }

  onOpened(address: string, isExact: boolean, isProxy: boolean): boolean {
    this.connectionCount += 1;
    return this.caps.onOpened(address, isExact, isProxy);
  }

  onClosed(address: string): void {
    this.caps.onClosed(address);
  }
}

/** What a socket is known by: where it is bound, and how. */
export function socketKey({ name, address }: ListenerSettings): string {
  if (address.kind !== 'tcp') return addressText(address);
  // Each free port is another one.
  const free = address.port === 0 ? ` ${name}` : '';
  return `${addressText(address)}${address.reusePort ? ' shared' : ''}${free}`;
}
