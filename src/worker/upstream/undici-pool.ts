/**
 * The undici connections of one worker to one target.
 *
 * Thread: worker. Owns a stack of Clients, one connection each; the one used last is used first, so
 * that those not needed go idle and close. The number is bounded by the requests that the gateway
 * lets in. undici's own Pool is not used: a dispatch that it refuses leaves it waiting for ever.
 */
import { UndiciConnection, type UndiciOptions } from './undici-connection.js';
import type { UpstreamConnections } from './upstream-transport.js';

export class UndiciPool implements UpstreamConnections {
  private readonly free: UndiciConnection[] = [];
  private isClosing = false;

  constructor(private readonly options: UndiciOptions) {}

  get idleCount(): number {
    return this.free.length;
  }

  acquire(): UndiciConnection {
    const connection = this.free.pop();
    if (connection === undefined) return this.acquireFresh();
    connection.isBusy = true;
    return connection;
  }

  acquireFresh(): UndiciConnection {
    const connection = new UndiciConnection(this.options, () => this.onDisconnected(connection));
    connection.isBusy = true;
    return connection;
  }

  /** One without a socket is given up: it may never be used again. */
  release(connection: UndiciConnection): void {
    connection.served++;
    connection.isBusy = false;
    if (connection.client.destroyed) return;
    if (connection.isOpen && !this.isClosing) this.free.push(connection);
    else void connection.client.destroy();
  }

  async close(): Promise<void> {
    this.isClosing = true;
    const idle = this.free.splice(0);
    await Promise.all(idle.map((connection) => connection.client.destroy()));
  }

  private onDisconnected(connection: UndiciConnection): void {
    if (connection.isBusy) return;
    const at = this.free.indexOf(connection);
    if (at === -1) return;
    this.free.splice(at, 1);
    void connection.client.destroy();
  }
}
