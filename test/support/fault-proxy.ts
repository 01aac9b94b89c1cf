/**
 * A proxy of TCP between a client and a server, which tests make worse: it cuts, takes no
 * connection, or lets bytes go one way only.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `up`: from the client to the server. */
export type Direction = 'up' | 'down';

export class FaultProxy {
  /** Connections that were made to it. */
  connections = 0;
  private readonly server: Server;
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private readonly held = new Set<Direction>();
  private isRefusing = false;

  private constructor(private readonly target: number) {
    this.server = createServer((client) => this.onClient(client));
  }

  static async start(target: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Cuts what is open, and every connection from now on at once. */
  cut(): void {
    this.isRefusing = true;
    this.cutOnce();
  }

  /** Cuts what is open. */
  cutOnce(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
  }

  /** Bytes of this direction wait; the sockets stay open, as when a cable is pulled. */
  hold(direction: Direction): void {
    this.held.add(direction);
    for (const [client, server] of this.pairs) (direction === 'up' ? client : server).pause();
  }

  /** All is well again; what was held goes on. */
  heal(): void {
    this.isRefusing = false;
    this.held.clear();
    for (const pair of this.pairs) for (const socket of pair) socket.resume();
  }

  async stop(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  private onClient(client: Socket): void {
    this.connections += 1;
    if (this.isRefusing) {
      client.destroy();
      return;
    }
    const server = connect(this.target, '127.0.0.1');
    const pair = [client, server] as const;
    this.pairs.add(pair);
    for (const [from, to, direction] of [
      [client, server, 'up'],
      [server, client, 'down'],
    ] as const) {
      from.on('data', (bytes) => to.write(bytes));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        this.pairs.delete(pair);
      });
      if (this.held.has(direction)) from.pause();
    }
  }
}
