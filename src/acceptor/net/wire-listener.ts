/**
 * One bound socket: takes connections in, counts them, and sees them through what comes before the
 * first request.
 *
 *     socket ──► header of the PROXY protocol ──► TLS ──► Http1Connection, Http2Connection
 *
 * Thread: acceptor. Owns the server and its connections. Every socket is counted from the moment it
 * comes until it is closed, whatever stage it is in.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PLAIN_CONNECTION } from '../../channel/records/request-head.js';
import type { TlsMaterial } from '../../channel/tls-material.js';
import type { ListenerHost, OpenListener } from '../client-engine.js';
import type { SharedQueue, SharedQueues } from '../shared-queues.js';
import { type SecureFacts, TlsDoor, type TlsDoorHost, type TlsFailure } from '../tls/tls-door.js';
import { TrustedPeers } from '../trusted-peers.js';
import { bindServer } from './bind-server.js';
import { Http1Connection } from './http1-connection.js';
import { type HostRule, Http2Connection } from './http2-connection.js';
import { type PrefaceOwner, PrefaceWatch } from './preface-watch.js';
import { type PreambleOwner, ProxyPreamble } from './proxy-preamble.js';
import { poll } from './raw-socket.js';
import { addressOfSocket, SocketOrigin } from './socket-address.js';
import type { WireContext } from './wire-context.js';
import type { WireGuest } from './wire-guest.js';

/** Clients that have taken something since are slow, and not stalled. */
const STALLED_MS_MIN = 3000;
const TOOK_NOTHING = 'took nothing while replies had no memory left';

/** A connection whose client takes nothing. */
export interface StalledGuest {
  readonly forMs: number;
  readonly unsentBytes: number;
  giveUp(): void;
}

/** A connection that has not come to its first request belongs to the door of TLS. */
const AT_DOOR = null;

/** Behind the name: a dot, which names the same, and a port. */
const END_OF_HOST = /\.?(?::\d*)?$/;

export class WireListener
  implements OpenListener, PreambleOwner, PrefaceOwner, TlsDoorHost, SharedQueue
{
  /** 0: it is no TCP port. */
  port = 0;

  private readonly server: Server;
  private readonly guests = new Map<Socket, WireGuest | typeof AT_DOOR>();
  /** The addresses of clients, where the header of a proxy has said them. */
  private readonly sources = new WeakMap<Socket, string>();
  private readonly trusted = new TrustedPeers();
  private door: TlsDoor | null = null;
  private doorMaterial: TlsMaterial | null = null;
  /** What waits in memory for clients to take some, as of the last tick. */
  unsentBytes = 0;
  /** As of the last tick. */
  http2Connections = 0;
  http2Streams = 0;

  /** null: no other acceptor takes connections from this socket. */
  private queues: SharedQueues | null = null;
  private isStopped = false;
  /** As of the last tick. */
  private hadTls: boolean;
  /** Those on which no TLS is spoken. */
  private readonly plain = new WeakSet<Socket>();

  constructor(
    private readonly host: ListenerHost,
    private readonly context: WireContext,
  ) {
    // Half-open: a client that has closed its side may still wait for the reply.
    const options = { allowHalfOpen: true, noDelay: true };
    this.server = createServer(options, (raw) => this.onSocket(raw));
    this.hadTls = host.settings.tls !== null;
  }

  /** @throws StartupError when the address cannot be had. */
  async bind(): Promise<void> {
    this.port = await bindServer(this.server, this.host.settings.address);
    // A connection that could not be taken in, for lack of open files say.
    this.server.on('error', (error) => this.context.onError(error));
    const isShared = this.host.settings.address.descriptor !== undefined;
    if (!isShared || !poll(this.server, true)) return;
    this.queues = this.context.queues;
    this.queues?.add(this);
  }

  poll(isWanted: boolean): void {
    poll(this.server, isWanted);
  }

  get newcomers(): number {
    let count = 0;
    for (const guest of this.guests.values()) if (guest === AT_DOOR || guest.isNew) count += 1;
    return count;
  }

  /** Stopped, and its last connection is gone. */
  get isOver(): boolean {
    return this.isStopped && this.guests.size === 0;
  }

  stop(): void {
    this.isStopped = true;
    this.queues?.remove(this);
    this.server.close();
    for (const guest of this.guests.values()) guest?.onDrain();
  }

  letGo(count: number): void {
    let left = count;
    for (const [raw, guest] of [...this.guests].reverse()) {
      if (left === 0) return;
      // No request of theirs has begun.
      if (guest === AT_DOOR || guest.isNew) raw.destroy();
      else if (!guest.onDrain()) continue;
      left -= 1;
    }
  }

  onTick(nowMs: number): void {
    this.lookForTls();
    let unsent = 0;
    let connections = 0;
    let streams = 0;
    for (const guest of this.guests.values()) {
      if (guest === AT_DOOR) continue;
      guest.onTick(nowMs);
      unsent += guest.unsentBytes;
      if (guest.streamCount === undefined) continue;
      connections += 1;
      streams += guest.streamCount;
    }
    this.unsentBytes = unsent;
    this.http2Connections = connections;
    this.http2Streams = streams;
  }

  /** Adds those whose clients have taken nothing for some time. */
  collectStalled(nowMs: number, stalled: StalledGuest[]): void {
    for (const [raw, guest] of this.guests) {
      const forMs = guest === AT_DOOR ? 0 : guest.stalledForMs(nowMs);
      if (guest === AT_DOOR || forMs < STALLED_MS_MIN) continue;
      const { unsentBytes } = guest;
      stalled.push({ forMs, unsentBytes, giveUp: () => this.onStalled(raw, nowMs) });
    }
  }

  private onStalled(raw: Socket, nowMs: number): void {
    this.host.onGivenUp(TOOK_NOTHING);
    const guest = this.guests.get(raw) ?? AT_DOOR;
    if (guest?.giveUp === undefined) raw.destroy();
    else guest.giveUp(nowMs, STALLED_MS_MIN);
  }

  /** A reload may give the listener TLS: connections without it end behind what they have. */
  private lookForTls(): void {
    const hasTls = this.host.settings.tls !== null;
    if (hasTls === this.hadTls) return;
    this.hadTls = hasTls;
    if (!hasTls) return;
    for (const [socket, guest] of this.guests) if (this.plain.has(socket)) guest?.onDrain();
  }

  /** Ends everything at once. */
  close(): void {
    this.queues?.remove(this);
    this.server.close();
    this.door?.close();
    for (const guest of this.guests.values()) guest?.shutDown();
  }

  private onSocket(raw: Socket): void {
    try {
      this.takeIn(raw);
    } catch (error) {
      this.giveUp(raw, error);
    }
  }

  /** A mistake of ours with one connection. */
  private giveUp(socket: Socket, error: unknown): void {
    this.context.onError(error);
    socket.destroy();
  }

  private takeIn(socket: Socket): void {
    // Reset before it was taken in, though its bytes are here: nobody knows any more who it was.
    if (this.port !== 0 && socket.remoteAddress === undefined) {
      socket.on('error', ignoreError);
      socket.destroy();
      return;
    }
    const address = addressOfSocket(socket);
    this.guests.set(socket, AT_DOOR);
    socket.on('error', ignoreError);
    socket.on('close', () => {
      this.guests.delete(socket);
      this.host.onClosed(address);
    });
    const { settings } = this.host;
    const mayStay = this.host.onOpened(address);
    this.queues?.onTaken();
    if (!mayStay) socket.destroy();
    else if (settings.proxyProtocol === 'off') this.goOn(socket);
    else if (this.trusted.has(address, settings)) this.awaitHeader(socket, settings.proxyProtocol);
    else {
      this.onTurnedAway('a PROXY header of nobody in trustedProxies');
      socket.destroy();
    }
  }

  private awaitHeader(socket: Socket, versions: 'v1' | 'v2' | 'any'): void {
    const deadlineMs = this.context.deadlineIn(this.host.settings.headMs);
    this.guests.set(socket, new ProxyPreamble(socket, versions, deadlineMs, this));
  }

  // What the header of a proxy says.

  onHeader(socket: Socket, source: string): void {
    try {
      if (source !== '') this.sources.set(socket, source);
      this.goOn(socket);
    } catch (error) {
      this.giveUp(socket, error);
    }
  }

  onTurnedAway(reason: string): void {
    this.host.onTurnedAway(reason);
  }

  private goOn(socket: Socket): void {
    if (this.host.settings.tls === null) {
      this.beginPlain(socket);
      return;
    }
    this.guests.set(socket, AT_DOOR);
    const door = this.currentDoor();
    if (door !== null) {
      door.accept(socket);
      return;
    }
    this.host.onHandshake('no certificate');
    socket.destroy();
  }

  /** The door with what came last for this listener; null: nothing has come yet. */
  private currentDoor(): TlsDoor | null {
    const material = this.context.tlsMaterial(this.host.settings.index);
    if (material === null || material === this.doorMaterial) return this.door;
    this.doorMaterial = material;
    if (this.door === null) this.door = new TlsDoor(this, this.context.clock, material);
    else this.door.adopt(material);
    return this.door;
  }

  private beginPlain(socket: Socket): void {
    this.plain.add(socket);
    const { protocols, headMs } = this.host.settings;
    if (!protocols.includes('h2c')) this.onVersion(socket, false);
    else if (!protocols.includes('http1')) this.onVersion(socket, true);
    else {
      // The guest may go on at once, and must not come behind its successor.
      this.guests.set(socket, AT_DOOR);
      const watch = new PrefaceWatch(socket, this.context.deadlineIn(headMs), this);
      if (this.guests.get(socket) === AT_DOOR) this.guests.set(socket, watch);
    }
  }

  // What the first bytes without TLS say.

  onVersion(socket: Socket, isHttp2: boolean): void {
    try {
      const facts = { connection: PLAIN_CONNECTION, isHttp2, servesHost: servesAll };
      this.begin(socket, socket, facts);
    } catch (error) {
      this.giveUp(socket, error);
    }
  }

  /** `raw`: the socket that was taken in; `socket`: what is spoken on, the same without TLS. */
  private begin(raw: Socket, socket: Socket, facts: Begin): void {
    const { connection, isHttp2, servesHost } = facts;
    const { host, context } = this;
    const peer = this.sources.get(raw) ?? addressOfSocket(raw);
    const origin = new SocketOrigin(raw, peer, connection);
    const guest = isHttp2
      ? new Http2Connection({ raw, socket }, host, context, { origin, servesHost })
      : new Http1Connection({ raw, socket }, host, context, origin);
    this.guests.set(raw, guest);
  }

  // What the door says.

  onSecure(raw: Socket, socket: TLSSocket, facts: SecureFacts): void {
    this.host.onHandshake('done');
    const { protocol, connection, serverName } = facts;
    const isHttp2 = protocol === 'h2';
    if (!isHttp2 && !this.host.settings.protocols.includes('http1')) {
      this.onTurnedAway('no ALPN of HTTP/2, and nothing else is spoken');
      raw.destroy();
      return;
    }
    try {
      const servesHost = this.hostRule(serverName);
      this.begin(raw, socket, { connection, isHttp2, servesHost });
    } catch (error) {
      this.giveUp(raw, error);
    }
  }

  /** Who has named no server knows an address only, as in HTTP/1.1. */
  private hostRule(serverName: string): HostRule {
    if (serverName === '') return servesAll;
    return (host) => {
      const name = host.replace(END_OF_HOST, '').toLowerCase();
      return name === serverName || this.door?.isSameCertificate(serverName, name) !== false;
    };
  }

  onFailed(raw: Socket, failure: TlsFailure, cause: string): void {
    const clientIp = this.sources.get(raw) ?? addressOfSocket(raw);
    this.host.onHandshake(failure, { clientIp, cause });
  }

  onError(error: unknown): void {
    this.context.onError(error);
  }
}

/** How a connection goes on behind what comes before its first request. */
interface Begin {
  readonly connection: string;
  readonly isHttp2: boolean;
  readonly servesHost: HostRule;
}

function servesAll(): boolean {
  return true;
}

function ignoreError(): void {
  // The close that follows tells.
}
