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
import { Http1Connection } from './http1-connection.js';
import { addressOfSocket, hostOfSocket } from './socket-address.js';
import type { WireContext } from './wire-context.js';

export class WireListener implements OpenListener {
  port = 0;

  private readonly connections = new Map<Socket, Http1Connection | null>();
  private readonly server: Server;
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
    const origin = {
      peer: address,
      connection: PLAIN_CONNECTION,
      fallbackHost: hostOfSocket(socket),
    };
    this.connections.set(socket, new Http1Connection(socket, this.host, this.context, origin));
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
