/**
 * The kept-alive connections of one worker to one target: where they lead, and by what settings.
 *
 * Thread: worker.
 */
import { isIP } from 'node:net';
import type { CompiledTarget, CompiledUpstream } from '../../config/compiled-config.js';
import { LeanPool } from './lean-pool.js';
import type { ReadMemory } from './read-memory.js';
import { TargetTls } from './target-tls.js';
import type { UpstreamConnections } from './upstream-transport.js';

/** A name is looked up for each new connection: so soon does traffic follow where it points. */
const NAMED_AGE_MS_MAX = 30_000;

/** What connections need of their worker. */
export interface ConnectionParts {
  readonly memory: ReadMemory;
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
  { memory, nowMs, onConnected }: ConnectionParts,
): UpstreamConnections {
  const { hostname, port } = new URL(target.origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const { replyHeadBytes } = upstream;
  const { connectMs } = upstream.timeouts;
  const settings = upstream.tls[target.tlsPlace];
  const tls = settings === undefined ? null : new TargetTls(settings, target.serverName);
  const usual = target.tls ? 443 : 80;
  const address = { host, port: port === '' ? usual : Number(port), tls, replyHeadBytes };
  const ageMsMax = isIP(host) === 0 ? NAMED_AGE_MS_MAX : Number.POSITIVE_INFINITY;
  return new LeanPool({ address, memory, connectMs, ageMsMax, nowMs, onConnected });
}
