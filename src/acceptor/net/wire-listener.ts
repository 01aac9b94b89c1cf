/**
 * One bound socket: takes connections in, counts them, and sees them through what comes before the
 * first request.
 *
 *     socket ──► header of the PROXY protocol ──► TLS ──► Http1Connection
 *
 * Thread: acceptor. Owns the server and its connections. Every socket is counted from the moment it
 * comes until it is closed, whatever stage it is in.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PLAIN_CONNECTION } from '../../channel/records/request-head.js';
import type { TlsMaterial } from '../../channel/tls-material.js';
import type { ListenerHost, OpenListener } from '../client-engine.js';
import { type SecureFacts, TlsDoor, type TlsDoorHost, type TlsFailure } from '../tls/tls-door.js';
import { TrustedPeers } from '../trusted-peers.js';
import { bindServer } from './bind-server.js';
import { Http1Connection } from './http1-connection.js';
import { type PreambleOwner, ProxyPreamble } from './proxy-preamble.js';
import { addressOfSocket, hostOfSocket } from './socket-address.js';
import type { WireContext } from './wire-context.js';
import type { WireGuest } from './wire-guest.js';

/** A connection that has not come to its first request belongs to the door of TLS. */
const AT_DOOR = null;

export class WireListener implements OpenListener, PreambleOwner, TlsDoorHost {
  /** 0: it is no TCP port. */
  port = 0;

  private readonly server: Server;
  private readonly guests = new Map<Socket, WireGuest | typeof AT_DOOR>();
  /** The addresses of clients, where the header of a proxy has said them. */
  private readonly sources = new WeakMap<Socket, string>();
  private readonly trusted = new TrustedPeers();
  private door: TlsDoor | null = null;
  private doorMaterial: TlsMaterial | null = null;
  private isStopped = false;

  constructor(
    private readonly host: ListenerHost,
    private readonly context: WireContext,
  ) {
    // Half-open: a client that has closed its side may still wait for the reply.
    const options = { allowHalfOpen: true, noDelay: true };
    this.server = createServer(options, (socket) => this.onSocket(socket));
  }

  /** @throws StartupError when the address cannot be had. */
  async bind(): Promise<void> {
    this.port = await bindServer(this.server, this.host.settings.address);
    // A connection that could not be taken in, for lack of open files say.
    this.server.on('error', (error) => this.context.onError(error));
  }

  /** Stopped, and its last connection is gone. */
  get isOver(): boolean {
    return this.isStopped && this.guests.size === 0;
  }

  stop(): void {
    this.isStopped = true;
    this.server.close();
    this.door?.close();
    for (const guest of this.guests.values()) guest?.onDrain();
  }

  onTick(nowMs: number): void {
    for (const guest of this.guests.values()) guest?.onTick(nowMs);
  }

  /** Ends everything at once. */
  close(): void {
    this.server.close();
    this.door?.close();
    for (const guest of this.guests.values()) guest?.shutDown();
  }

  private onSocket(socket: Socket): void {
    try {
      this.takeIn(socket);
    } catch (error) {
      this.giveUp(socket, error);
    }
  }

  /** A mistake of ours with one connection. */
  private giveUp(socket: Socket, error: unknown): void {
    this.context.onError(error);
    socket.destroy();
  }

  private takeIn(socket: Socket): void {
    const address = addressOfSocket(socket);
    this.guests.set(socket, AT_DOOR);
    socket.on('error', ignoreError);
    socket.on('close', () => {
      this.guests.delete(socket);
      this.host.onClosed(address);
    });
    const { settings } = this.host;
    if (!this.host.onOpened(address)) socket.destroy();
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
      this.begin(socket, socket, PLAIN_CONNECTION);
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

  /** `raw`: the socket that was taken in; `socket`: what is spoken on, the same without TLS. */
  private begin(raw: Socket, socket: Socket, connection: string): void {
    const peer = this.sources.get(raw) ?? addressOfSocket(raw);
    const origin = { peer, connection, fallbackHost: hostOfSocket(raw) };
    this.guests.set(raw, new Http1Connection({ raw, socket }, this.host, this.context, origin));
  }

  // What the door says.

  /** By `facts.protocol` other protocols than HTTP/1.1 would branch off here. */
  onSecure(raw: Socket, socket: TLSSocket, facts: SecureFacts): void {
    this.host.onHandshake('done');
    try {
      this.begin(raw, socket, facts.connection);
    } catch (error) {
      this.giveUp(raw, error);
    }
  }

  onFailed(_raw: Socket, failure: TlsFailure): void {
    this.host.onHandshake(failure);
  }

  onError(error: unknown): void {
    this.context.onError(error);
  }
}

function ignoreError(): void {
  // The close that follows tells.
}
