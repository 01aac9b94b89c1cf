/**
 * Connections to a target that may choose its protocol by ALPN (RFC 7301).
 *
 * Thread: worker. HTTP/2 is tried first. A target that prefers HTTP/1.1 is believed for some
 * minutes: so long its requests go over connections that offer nothing else. Tunnels always do: a
 * target that speaks HTTP/2 rarely opens WebSockets over it (RFC 8441).
 */
import type { Http2Pool } from './http2-pool.js';
import { Http2Slot } from './http2-slot.js';
import type { LeanConnection } from './lean-connection.js';
import type { LeanPool } from './lean-pool.js';
import type { UpstreamConnection, UpstreamConnections } from './upstream-transport.js';

/** So soon is it noticed that a target has learnt HTTP/2. */
const HTTP1_MS = 300_000;

export class AutoConnections implements UpstreamConnections {
  private http1UntilMs = Number.NEGATIVE_INFINITY;
  private readonly http2: Http2Pool;

  constructor(
    private readonly http1: LeanPool,
    private readonly nowMs: () => number,
    http2: (onHttp1: () => void) => Http2Pool,
  ) {
    this.http2 = http2(() => {
      this.http1UntilMs = this.nowMs() + HTTP1_MS;
    });
  }

  get idleCount(): number {
    return this.http1.idleCount + this.http2.idleCount;
  }

  acquire(): UpstreamConnection {
    return this.isHttp1 ? this.http1.acquire() : this.http2.acquire();
  }

  acquireFresh(forTunnel: boolean): UpstreamConnection {
    return this.isHttp1 || forTunnel ? this.http1.acquireFresh() : this.http2.acquireFresh();
  }

  private get isHttp1(): boolean {
    return this.nowMs() < this.http1UntilMs;
  }

  release(connection: UpstreamConnection): void {
    if (!(connection instanceof Http2Slot)) this.http1.release(connection as LeanConnection);
  }

  async close(): Promise<void> {
    await Promise.all([this.http1.close(), this.http2.close()]);
  }
}
