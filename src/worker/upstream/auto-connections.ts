/**
 * Connections to a target that may choose its protocol by ALPN (RFC 7301).
 *
 * Thread: worker. HTTP/2 is tried first. A target that prefers HTTP/1.1 is believed: its requests
 * go over connections that offer nothing else, and it is asked again only when a connection has to
 * be opened anyway, some minutes later at the earliest. A target that has learnt HTTP/2 was started
 * anew, and its old connections are gone. Tunnels never ask: a target that speaks HTTP/2 rarely
 * opens WebSockets over it (RFC 8441).
 */
import type { Http2Pool } from './http2-pool.js';
import { Http2Slot } from './http2-slot.js';
import type { LeanConnection } from './lean-connection.js';
import type { LeanPool } from './lean-pool.js';
import type { UpstreamConnection, UpstreamConnections } from './upstream-transport.js';

/** A target that prefers HTTP/1.1 is not asked again sooner: the handshake is for nothing. */
const HTTP1_MS = 300_000;

export class AutoConnections implements UpstreamConnections {
  private prefersHttp1 = false;
  /** It may be asked again from then on. */
  private askAgainMs = 0;
  private readonly http2: Http2Pool;

  constructor(
    private readonly http1: LeanPool,
    private readonly nowMs: () => number,
    http2: (onHttp1: () => void) => Http2Pool,
  ) {
    this.http2 = http2(() => {
      this.prefersHttp1 = true;
      this.askAgainMs = this.nowMs() + HTTP1_MS;
    });
  }

  get idleCount(): number {
    return this.http1.idleCount + this.http2.idleCount;
  }

  acquire(): UpstreamConnection {
    return this.isHttp1() ? this.http1.acquire() : this.http2.acquire();
  }

  acquireFresh(forTunnel: boolean): UpstreamConnection {
    return forTunnel || this.isHttp1() ? this.http1.acquireFresh() : this.http2.acquireFresh();
  }

  private isHttp1(): boolean {
    if (!this.prefersHttp1) return false;
    const isKnown = this.nowMs() < this.askAgainMs || this.http1.idleCount > 0;
    this.prefersHttp1 = isKnown;
    return isKnown;
  }

  release(connection: UpstreamConnection): void {
    if (!(connection instanceof Http2Slot)) this.http1.release(connection as LeanConnection);
  }

  async close(): Promise<void> {
    await Promise.all([this.http1.close(), this.http2.close()]);
  }
}
