/**
 * The door of one TLS listener: takes raw sockets, and gives back those whose handshake is done.
 *
 * Thread: acceptor. Owns every socket from accept() until onSecure() or onFailed() is called for
 * it, exactly once. The ClientHello is read here, and the socket then handed to the server of the
 * certificate that it asks for.
 *
 *     accept ──► hello is read ──► queue ──► handshake ──► onSecure
 *        └────────────┴─────────────┴────────────┴───────► onFailed
 *
 * A handshake costs up to a millisecond of this thread. So that requests do not wait for those of
 * strangers, at most STARTS_PER_TURN begin in one turn of the event loop and OPEN_MAX are under way
 * at once. One deadline holds from the first byte to the last; and clients that only begin keep
 * nobody out, as the oldest handshake makes room where others wait. Where a crowd waits, the newest
 * comes first: those that have waited for long are those that give up next.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer } from '../../base/clock.js';
import { certificateText } from '../../channel/records/client-certificate.js';
import { secureConnection } from '../../channel/records/request-head.js';
import type { TlsMaterial } from '../../channel/tls-material.js';
import { certificateFacts } from './certificate-facts.js';
import { type ClientHello, ClientHelloReader, serverNameOf } from './client-hello.js';
import { ACME_PROTOCOL, type ContextHost, TlsContexts } from './tls-contexts.js';
import { isWorkload } from './workload-client.js';

/** Handshakes that begin in one turn of the event loop. */
export const STARTS_PER_TURN = 2;
/** Handshakes under way at once; each keeps about 100 KiB. */
export const OPEN_MAX = 1024;
/** With all of them open, the oldest makes room for another one after this time. */
const YIELD_MS = 1000;
/** Hellos that wait for their turn; with one more the oldest is refused. */
export const WAITING_MAX = 4096;
/** With more hellos than this the newest has the next turn. */
export const CROWD_MIN = 128;

/** Why a connection was not let in. */
const TLS_FAILURES = [
  'timeout',
  'gone',
  'not TLS',
  'unknown name',
  'client certificate',
  'protocol',
  'overload',
  'challenge',
  'closing',
  'internal',
] as const;
export type TlsFailure = (typeof TLS_FAILURES)[number];

export interface SecureFacts {
  /** The part at HEAD_CONNECTION of every request of the connection. */
  readonly connection: string;
  /** By ALPN; empty: the client did not say. */
  readonly protocol: string;
  /** Lower case; empty: the client named none. */
  readonly serverName: string;
}

export interface TlsDoorHost {
  /** The handshake is done; nothing was read from the socket. */
  onSecure(raw: Socket, socket: TLSSocket, facts: SecureFacts): void;
  /** The socket is destroyed. `detail`: what OpenSSL says, for the log. */
  onFailed(raw: Socket, failure: TlsFailure, detail: string): void;
  /** A mistake of ours. */
  onError(error: unknown): void;
}

export interface TlsFigures {
  /** Hellos that are incomplete or wait for their turn. */
  readonly waiting: number;
  /** Handshakes under way. */
  readonly open: number;
}

/** Fatal alerts of TLS (RFC 8446 6), as the one record that a client gets before any other. */
const ALERT_UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112]);
/** For clients that speak plain HTTP here. */
const NOT_TLS = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 38\r\n' +
    'Connection: close\r\n\r\nThis port speaks HTTPS. Use https://.\n',
  'latin1',
);
const FIRST_LETTER = 65;
const LAST_LETTER = 90;

export interface DoorBounds {
  /** Handshakes under way at once. */
  readonly openMax: number;
  /** Hellos that wait for their turn. */
  readonly waitingMax: number;
}

interface Guest {
  readonly raw: Socket;
  readonly reader: ClientHelloReader;
  readonly deadline: Timer;
  readonly onReadable: () => void;
  readonly onClose: () => void;
  /** `open`: it has left the queue. */
  state: 'hello' | 'queued' | 'open' | 'settled';
  hello: ClientHello | null;
  /** When the handshake began. */
  openedMs: number;
}

export class TlsDoor implements ContextHost {
  private readonly contexts: TlsContexts;
  private readonly guests = new Map<Socket, Guest>();
  /** In the order in which they came. */
  private queue: Guest[] = [];
  /** Guests in the queue who have gone. */
  private goneInQueue = 0;
  /** The oldest handshake is the first. */
  private readonly open = new Set<Guest>();
  private yielding: Timer | null = null;
  private isTurnAsked = false;
  private isClosed = false;

  constructor(
    private readonly host: TlsDoorHost,
    private readonly clock: Clock,
    private material: TlsMaterial,
    private readonly bounds: DoorBounds = { openMax: OPEN_MAX, waitingMax: WAITING_MAX },
  ) {
    this.contexts = new TlsContexts(this, material);
  }

  get figures(): TlsFigures {
    return { waiting: this.guests.size - this.open.size, open: this.open.size };
  }

  /** Handshakes that begin from now on go by this; open connections stay as they are. */
  adopt(material: TlsMaterial): void {
    if (material === this.material) return;
    this.material = material;
    this.contexts.adopt(material);
  }

  /** Nothing was read from the socket, or what was read has been put back with unshift(). */
  accept(raw: Socket): void {
    const guest: Guest = {
      raw,
      reader: new ClientHelloReader(),
      deadline: this.clock.after(this.material.server.handshakeMs, () =>
        this.fail(guest, 'timeout'),
      ),
      onReadable: () => this.read(guest),
      onClose: () => this.onClose(guest),
      state: 'hello',
      hello: null,
      openedMs: 0,
    };
    this.guests.set(raw, guest);
    raw.on('error', ignoreError);
    raw.on('close', guest.onClose);
    raw.on('readable', guest.onReadable);
    raw.on('end', guest.onClose);
    if (this.isClosed) this.fail(guest, 'closing');
    else this.read(guest);
  }

  /** See TlsContexts: both names in lower case. */
  isSameCertificate(serverName: string, otherName: string): boolean {
    return this.contexts.isSameCertificate(serverName, otherName);
  }

  /** Destroys everything that is not let in yet. */
  close(): void {
    this.isClosed = true;
    this.yielding?.cancel();
    for (const guest of [...this.guests.values()]) this.fail(guest, 'closing');
  }

  private read(guest: Guest): void {
    if (guest.state !== 'hello') return;
    const chunk: Buffer | null = guest.raw.read();
    if (chunk === null) return;
    const hello = guest.reader.read(chunk);
    if (hello === 'more') return;
    guest.raw.off('readable', guest.onReadable);
    if (hello === 'wrong') this.refuseStranger(guest);
    else {
      guest.hello = hello;
      guest.state = 'queued';
      if (this.waitingCount >= this.bounds.waitingMax) this.refuseOldest();
      this.queue.push(guest);
      this.askTurn();
    }
  }

  private get waitingCount(): number {
    return this.queue.length - this.goneInQueue;
  }

  private refuseOldest(): void {
    let oldest = this.queue.shift();
    while (oldest !== undefined && oldest.state !== 'queued') {
      this.goneInQueue -= 1;
      oldest = this.queue.shift();
    }
    if (oldest === undefined) return;
    oldest.state = 'open';
    this.fail(oldest, 'overload');
  }

  /** The next in turn; null: nobody waits. */
  private takeNext(): Guest | null {
    for (;;) {
      const next = this.waitingCount > CROWD_MIN ? this.queue.pop() : this.queue.shift();
      if (next === undefined) return null;
      if (next.state === 'queued') {
        next.state = 'open';
        return next;
      }
      this.goneInQueue -= 1;
    }
  }

  /** Who has gone leaves the queue with many others at once. */
  private onGoneInQueue(): void {
    this.goneInQueue += 1;
    if (this.goneInQueue * 2 <= this.queue.length) return;
    this.queue = this.queue.filter(({ state }) => state === 'queued');
    this.goneInQueue = 0;
  }

  private refuseStranger(guest: Guest): void {
    const first = guest.reader.received[0] ?? 0;
    if (first >= FIRST_LETTER && first <= LAST_LETTER) guest.raw.write(NOT_TLS);
    this.fail(guest, 'not TLS');
  }

  private askTurn(): void {
    if (this.isTurnAsked || this.waitingCount === 0) return;
    if (this.open.size >= this.bounds.openMax) {
      this.makeRoom();
      return;
    }
    this.isTurnAsked = true;
    this.clock.afterTurn(() => {
      this.isTurnAsked = false;
      const room = Math.min(STARTS_PER_TURN, this.bounds.openMax - this.open.size);
      for (let begun = 0; begun < room; begun++) {
        const guest = this.takeNext();
        if (guest === null) break;
        this.begin(guest);
      }
      this.askTurn();
    });
  }

  /** Ends the oldest handshake, or waits until it may be ended. */
  private makeRoom(): void {
    const [oldest] = this.open;
    if (this.waitingCount === 0 || oldest === undefined || this.isClosed) return;
    const restMs = oldest.openedMs + YIELD_MS - this.clock.nowMs();
    if (restMs <= 0) {
      // Whose end asks for a turn again.
      this.fail(oldest, 'overload');
      return;
    }
    this.yielding ??= this.clock.after(restMs, () => {
      this.yielding = null;
      this.askTurn();
    });
  }

  private begin(guest: Guest): void {
    const { raw, hello } = guest;
    if (hello === null) return;
    try {
      const server = this.contexts.serverFor(hello.serverName, hello.protocols);
      if (server === null) {
        raw.write(ALERT_UNRECOGNIZED_NAME);
        this.fail(guest, 'unknown name');
        return;
      }
      guest.openedMs = this.clock.nowMs();
      this.open.add(guest);
      raw.off('end', guest.onClose);
      // The TLS socket takes this over: who leaves in the middle of a handshake is gone.
      raw.allowHalfOpen = false;
      raw.unshift(guest.reader.received);
      server.emit('connection', raw);
    } catch (error) {
      this.host.onError(error);
      this.fail(guest, 'internal');
    }
  }

  onSecure(socket: TLSSocket): void {
    const guest = this.guestOf(socket);
    if (guest === null) return;
    if (socket.alpnProtocol === ACME_PROTOCOL) {
      socket.end();
      this.settle(guest);
      this.host.onFailed(guest.raw, 'challenge', '');
      return;
    }
    const serverName = guest.hello?.serverName ?? '';
    const certificate = this.certificateOf(socket);
    if (!hasReadSame(socket, serverName)) this.refuse(guest, socket, 'protocol', 'server name');
    else if (certificate === null) {
      this.refuse(guest, socket, 'client certificate', reasonOf(socket));
    } else {
      const protocol = socket.alpnProtocol || '';
      // From now on a client that has closed its side may wait for a reply.
      socket.allowHalfOpen = true;
      guest.raw.allowHalfOpen = true;
      const connection = secureConnection(serverName, certificate);
      this.settle(guest);
      this.host.onSecure(guest.raw, socket, { connection, protocol, serverName });
    }
  }

  onClientError(error: Error, socket: TLSSocket): void {
    const guest = this.guestOf(socket);
    if (guest === null) return;
    const code = 'code' in error ? String(error.code) : '';
    // Node closes such a socket without saying why.
    if (socket.authorizationError) {
      this.refuse(guest, socket, 'client certificate', reasonOf(socket));
    } else this.refuse(guest, socket, failureOf(code), code === '' ? error.message : code);
  }

  /** The text of the client's certificate, empty where it has none; null: it is not to enter. */
  private certificateOf(socket: TLSSocket): string | null {
    if (this.material.server.clientCertificates === null) return '';
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      return this.material.server.clientCertificates.mode === 'request' ? '' : null;
    }
    if (!socket.authorized) return null;
    const { bundles } = this.material.server.clientCertificates;
    if (bundles !== null && !isWorkload(certificate, bundles, this.clock.unixMs())) return null;
    return certificateText(certificateFacts(certificate)) || null;
  }

  private guestOf(socket: TLSSocket): Guest | null {
    // Not documented, but the only way from a socket of a server back to the one it was given.
    const raw: unknown = Reflect.get(socket, '_parent');
    const guest = this.guests.get(raw as Socket);
    if (guest !== undefined) return guest;
    socket.destroy();
    return null;
  }

  private refuse(guest: Guest, socket: TLSSocket, failure: TlsFailure, detail: string): void {
    socket.destroy();
    this.fail(guest, failure, detail);
  }

  private onClose(guest: Guest): void {
    // OpenSSL may have a reason, which a TLS server tells behind the close of its socket.
    if (guest.state === 'open') this.clock.afterTurn(() => this.fail(guest, 'gone'));
    else this.fail(guest, 'gone');
  }

  private fail(guest: Guest, failure: TlsFailure, detail = ''): void {
    if (guest.state === 'settled') return;
    this.settle(guest);
    // What was written, an alert for example, still goes out.
    guest.raw.destroySoon();
    this.host.onFailed(guest.raw, failure, detail);
  }

  private settle(guest: Guest): void {
    const { raw, onReadable, onClose, deadline, state } = guest;
    this.open.delete(guest);
    guest.state = 'settled';
    if (state === 'queued') this.onGoneInQueue();
    deadline.cancel();
    raw.off('readable', onReadable).off('close', onClose).off('end', onClose);
    this.guests.delete(raw);
    this.askTurn();
  }
}

function ignoreError(): void {
  // The close that follows tells.
}

/** OpenSSL has read the same name; a resumed session does not say it again. */
function hasReadSame(socket: TLSSocket, serverName: string): boolean {
  if (socket.isSessionReused()) return true;
  const sent = String(socket.servername || '');
  return (sent === '' ? '' : serverNameOf(sent)) === serverName;
}

function reasonOf(socket: TLSSocket): string {
  return String(socket.authorizationError ?? 'none');
}

function failureOf(code: string): TlsFailure {
  if (code === 'ECONNRESET') return 'gone';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'timeout';
  const isOfCertificate = code.includes('CERT') || code.includes('PEER_DID_NOT_RETURN');
  return isOfCertificate ? 'client certificate' : 'protocol';
}
