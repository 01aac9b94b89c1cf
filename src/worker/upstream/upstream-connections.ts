/**
 * The kept-alive connections of one worker to one target, on either transport.
 *
 * Thread: worker. Lean connections serve plain HTTP with a body that is at hand; undici serves TLS
 * and bodies that stream: a stack of Clients, one connection each, the one used last first. The
 * number is bounded by the requests that the gateway lets in. undici's own Pool is not used: a
 * dispatch that it refuses leaves it waiting for ever.
 */
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import type { CompiledTarget, CompiledUpstream } from '../../config/compiled-config.js';
import { LeanConnection } from './lean-connection.js';
import { LeanPool } from './lean-pool.js';
import { UndiciConnection } from './undici-connection.js';
import type { UpstreamConnection, UpstreamRequest } from './upstream-transport.js';

type Body = UpstreamRequest['body'];

/** `lean`: wherever it can be used. */
export type TransportChoice = 'lean' | 'undici';

export class UpstreamConnections {
  private readonly free: UndiciConnection[] = [];
  private readonly lean: LeanPool | null;
  private readonly servername: string | null;
  private isClosing = false;

  constructor(
    readonly target: CompiledTarget,
    private readonly upstream: CompiledUpstream,
    private readonly onConnected: () => void,
    transport: TransportChoice = 'lean',
  ) {
    const { hostname, port } = new URL(target.origin);
    const host = hostname.replace(/^\[|\]$/g, '');
    const name = isIP(host) === 0 ? hostname : '';
    this.servername = target.tls ? name : null;
    this.lean =
      target.tls || transport === 'undici'
        ? null
        : new LeanPool({
            address: { host, port: port === '' ? 80 : Number(port) },
            connectMs: upstream.timeouts.connectMs,
            onConnected,
          });
  }

  /** Takes the connection that was used last, or a new one. */
  acquire(body: Body): UpstreamConnection {
    const isLean = this.lean !== null && !(body instanceof Readable);
    const connection = isLean ? this.lean.acquire() : (this.free.pop() ?? this.open());
    connection.isBusy = true;
    return connection;
  }

  /** Takes a connection that has no socket yet: nobody can have closed it. */
  acquireFresh(body: Body): UpstreamConnection {
    const isLean = this.lean !== null && !(body instanceof Readable);
    const connection = isLean ? this.lean.open() : this.open();
    connection.isBusy = true;
    return connection;
  }

  /** Gives the connection back. One without a socket is given up: it may never be used again. */
  release(connection: UpstreamConnection): void {
    connection.served++;
    connection.isBusy = false;
    if (connection instanceof LeanConnection) {
      this.lean?.release(connection);
    } else if (connection instanceof UndiciConnection && !connection.client.destroyed) {
      if (connection.isOpen && !this.isClosing) this.free.push(connection);
      else void connection.client.destroy();
    }
  }

  /** Idle connections, for tests and figures. */
  get idleCount(): number {
    return this.free.length + (this.lean?.idleCount ?? 0);
  }

  /** Closes all idle connections; those in use end with their exchange. */
  async close(): Promise<void> {
    this.isClosing = true;
    this.lean?.close();
    const idle = this.free.splice(0);
    await Promise.all(idle.map((connection) => connection.client.destroy()));
  }

  private open(): UndiciConnection {
    return new UndiciConnection({
      origin: this.target.origin,
      connectMs: this.upstream.timeouts.connectMs,
      servername: this.servername,
      onConnected: this.onConnected,
      onDisconnected: (connection) => this.onDisconnected(connection),
    });
  }

  private onDisconnected(connection: UndiciConnection): void {
    if (connection.isBusy) return;
    const at = this.free.indexOf(connection);
    if (at === -1) return;
    this.free.splice(at, 1);
    void connection.client.destroy();
  }
}
