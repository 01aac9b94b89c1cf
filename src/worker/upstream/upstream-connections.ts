/**
 * The kept-alive connections of one worker to one target.
 *
 * Thread: worker. Owns a stack of undici Clients, one connection each; the one used last is used
 * first, so that those not needed go idle and close. The number is bounded by the requests that
 * the gateway lets in. undici's own Pool is not used: a dispatch that it refuses leaves it waiting
 * for ever.
 */
import { isIP } from 'node:net';
import { Client } from 'undici';
import type { CompiledTarget, CompiledUpstream } from '../../config/compiled-config.js';

/** One connection slot. `served` counts exchanges on the socket that is open now. */
export interface UpstreamConnection {
  readonly client: Client;
  isOpen: boolean;
  served: number;
  isBusy: boolean;
}

export class UpstreamConnections {
  /** Name for SNI, given always: undici would otherwise take the Host field's. */
  readonly servername: string;
  private readonly free: UpstreamConnection[] = [];

  constructor(
    readonly target: CompiledTarget,
    private readonly upstream: CompiledUpstream,
    private readonly onConnected: () => void,
  ) {
    const { hostname } = new URL(target.origin);
    this.servername = isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? hostname : '';
  }

  /** Takes the connection that was used last, or a new one. */
  acquire(): UpstreamConnection {
    const connection = this.free.pop() ?? this.open();
    connection.isBusy = true;
    return connection;
  }

  /** Takes a connection that has no socket yet: nobody can have closed it. */
  acquireFresh(): UpstreamConnection {
    const connection = this.open();
    connection.isBusy = true;
    return connection;
  }

  /** Gives the connection back. One without a socket is given up: it may never be used again. */
  release(connection: UpstreamConnection): void {
    connection.served++;
    connection.isBusy = false;
    if (connection.client.destroyed) return;
    if (connection.isOpen) this.free.push(connection);
    else void connection.client.destroy();
  }

  /** Idle connections, for tests and figures. */
  get idleCount(): number {
    return this.free.length;
  }

  /** Closes all idle connections; those in use end with their exchange. */
  async close(): Promise<void> {
    const idle = this.free.splice(0);
    await Promise.all(idle.map((connection) => connection.client.destroy()));
  }

  private open(): UpstreamConnection {
    const client = new Client(this.target.origin, {
      pipelining: 1,
      // The exchange has its own deadlines (deadline-wheel.ts); undici's tick is half a second.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: this.upstream.timeouts.connectMs },
    });
    const connection: UpstreamConnection = { client, isOpen: false, served: 0, isBusy: false };
    client.on('connect', () => {
      connection.isOpen = true;
      connection.served = 0;
      this.onConnected();
    });
    client.on('disconnect', () => this.onDisconnected(connection));
    return connection;
  }

  private onDisconnected(connection: UpstreamConnection): void {
    connection.isOpen = false;
    connection.served = 0;
    if (connection.isBusy) return;
    const at = this.free.indexOf(connection);
    if (at === -1) return;
    this.free.splice(at, 1);
    void connection.client.destroy();
  }
}
