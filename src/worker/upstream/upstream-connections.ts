/**
 * The kept-alive connections of one worker to one target: where they lead, and by what settings.
 *
 * Thread: worker.
 */
import { isIP } from 'node:net';
import { assertNever } from '../../base/assert.js';
import type { CompiledTarget, CompiledUpstream } from '../../config/compiled-config.js';
import { AutoConnections } from './auto-connections.js';
import { HTTP2_PROTOCOL as HTTP2 } from './http2-connection.js';
import { Http2Pool } from './http2-pool.js';
import { LeanPool } from './lean-pool.js';
import type { ReadMemory } from './read-memory.js';
import type { TargetAddress } from './target-socket.js';
import { TargetTls } from './target-tls.js';
import type { UpstreamConnections } from './upstream-transport.js';
import type { WorkloadIdentity } from './workload-identity.js';

/** A name is looked up for each new connection: so soon does traffic follow where it points. */
const NAMED_AGE_MS_MAX = 30_000;

const HTTP1 = 'http/1.1';

/** What connections need of their worker. */
export interface ConnectionParts {
  readonly memory: ReadMemory;
  readonly workload: WorkloadIdentity;
  nowMs(): number;
  /** A socket was opened. */
  onConnected(): void;
}

/** How connections to a target are made: {@link connectionsTo}, or what plays it in a test. */
export type ConnectTarget = typeof connectionsTo;

/** Opens nothing yet. */
export function connectionsTo(
  target: CompiledTarget,
  upstream: CompiledUpstream,
  { memory, workload, nowMs, onConnected }: ConnectionParts,
): UpstreamConnections {
  const { hostname, port } = new URL(target.origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const { replyHeadBytes } = upstream;
  const { connectMs } = upstream.timeouts;
  const settings = upstream.tls[target.tlsPlace];
  const usual = target.tls ? 443 : 80;
  const ageMsMax = isIP(host) === 0 ? NAMED_AGE_MS_MAX : Number.POSITIVE_INFINITY;
  const addressFor = (protocols: readonly string[]): TargetAddress => ({
    host,
    port: port === '' ? usual : Number(port),
    tls:
      settings === undefined
        ? null
        : new TargetTls(settings, target.serverName, protocols, workload),
    replyHeadBytes,
  });
  const common = { memory, connectMs, ageMsMax, nowMs, onConnected };
  const overHttp1 = (): LeanPool => new LeanPool({ ...common, address: addressFor([HTTP1]) });
  const overHttp2 = (protocols: readonly string[], onHttp1: () => void): Http2Pool => {
    const { streamsMax, connectionsMax, pingMs, pongMs } = upstream.http2;
    return new Http2Pool({
      ...common,
      ...{ address: addressFor(protocols), streamsMax, connectionsMax, pongMs, onHttp1 },
      pingMs: pingMs === 0 ? Number.POSITIVE_INFINITY : pingMs,
      mayFallBack: protocols.includes(HTTP1),
    });
  };
  switch (upstream.protocol) {
    case 'http1':
      return overHttp1();
    case 'h2':
    case 'h2c':
      return overHttp2([HTTP2], () => {});
    case 'auto':
      if (!target.tls) return overHttp1();
      return new AutoConnections(overHttp1(), nowMs, (onHttp1) =>
        overHttp2([HTTP2, HTTP1], onHttp1),
      );
    default:
      return assertNever(upstream.protocol);
  }
}
