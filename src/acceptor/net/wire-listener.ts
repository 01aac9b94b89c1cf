/**
 * One bound socket: takes connections in, and counts them.
 *
 * Thread: acceptor. Owns the server and its connections.
 */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { addressText, type ListenerAddress } from '../../base/listener-address.js';
import { StartupError } from '../../base/startup-error.js';
import { PLAIN_CONNECTION } from '../../channel/records/request-head.js';
import type { ListenerHost, OpenListener } from '../client-engine.js';
import { type SecureFacts, TlsDoor, type TlsDoorHost, type TlsFailure } from '../tls/tls-door.js';
import { Http1Connection } from './http1-connection.js';
import { addressOfSocket, hostOfSocket } from './socket-address.js';
import type { WireContext } from './wire-context.js';

export class WireListener implements OpenListener, TlsDoorHost {
  port = 0;

  private readonly connections = new Map<Socket, Http1Connection | null>();
  private readonly server: Server;
  /** Whose sockets these are, while they shake hands. */
  private readonly peers = new Map<Socket, string>();
  private door: TlsDoor | null = null;
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
  bind(): Promise<void> {
    const { server } = this;
    const { address } = this.host.settings;
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        const why = error.code === 'EADDRINUSE' ? 'the address is in use' : error.message;
        reject(new StartupError(`cannot listen on ${addressText(address)}: ${why}`));
      };
      server.once('error', onError);
      server.listen(bindOptions(address), () => {
        server.off('error', onError);
        // A connection that could not be taken in, for lack of open files say.
        server.on('error', (error) => this.context.onError(error));
        const bound = server.address();
        this.port = typeof bound === 'object' && bound !== null ? bound.port : 0;
        resolve();
      });
    });
  }

  /** Stopped, and its last connection is gone. */
  get isOver(): boolean {
    return this.isStopped && this.connections.size === 0;
  }

  stop(): void {
    this.isStopped = true;
    this.server.close();
    for (const connection of this.connections.values()) connection?.onDrain();
  }

  onTick(nowMs: number): void {
    for (const connection of this.connections.values()) connection?.onTick(nowMs);
  }

  /** Ends everything at once. */
  close(): void {
    this.server.close();
    this.door?.close();
    for (const [socket, connection] of this.connections) {
      if (connection === null) socket.destroy();
      else connection.shutDown();
    }
  }

  private onSocket(socket: Socket): void {
    try {
      this.takeIn(socket);
    } catch (error) {
      this.context.onError(error);
      socket.destroy();
    }
  }

  private takeIn(socket: Socket): void {
    const address = addressOfSocket(socket);
    this.connections.set(socket, null);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.connections.delete(socket);
      this.host.onClosed(address);
    });
    if (!this.host.onOpened(address)) {
      socket.destroy();
      return;
    }
    this.begin(socket, address);
  }

  /** Nothing was read from the socket that is not the client's own. `peer`: whose it is. */
  private begin(socket: Socket, peer: string): void {
    const { settings } = this.host;
    if (settings.tls === null) this.serve(socket, socket, peer, PLAIN_CONNECTION);
    else this.secure(socket, peer, settings.index);
  }

  /** `raw`: the socket that was accepted. */
  private serve(raw: Socket, socket: Socket, peer: string, connection: string): void {
    const origin = { peer, connection, fallbackHost: hostOfSocket(raw) };
    this.connections.set(raw, new Http1Connection(socket, this.host, this.context, origin));
  }

  private secure(raw: Socket, peer: string, listener: number): void {
    const material = this.context.tlsMaterial(listener);
    if (material === null) {
      this.host.onHandshake('no certificate');
      raw.destroy();
      return;
    }
    this.door ??= new TlsDoor(this, this.context.clock, material);
    this.door.adopt(material);
    this.peers.set(raw, peer);
    this.door.accept(raw);
  }

  // What the door tells.

  onSecure(raw: Socket, socket: Socket, { connection }: SecureFacts): void {
    const peer = this.peers.get(raw) ?? '';
    this.peers.delete(raw);
    this.host.onHandshake('done');
    socket.on('error', () => {});
    try {
      this.serve(raw, socket, peer, connection);
    } catch (error) {
      this.context.onError(error);
      socket.destroy();
    }
  }

  onFailed(raw: Socket, failure: TlsFailure): void {
    this.peers.delete(raw);
    this.host.onHandshake(failure);
  }

  onError(error: unknown): void {
    this.context.onError(error);
  }
}

function bindOptions(address: ListenerAddress): ListenOptions {
  switch (address.kind) {
    case 'tcp': {
      const { host, port, reusePort } = address;
      // Node knows it from 22.12 on; before that the address belongs to one process.
      const shared: ListenOptions & { readonly reusePort: boolean } = { host, port, reusePort };
      return shared;
    }
    case 'unix':
      return { path: address.path };
    case 'inherited':
      throw new StartupError(`no socket of systemd is called ${address.name}`);
    default:
      return address satisfies never;
  }
}
