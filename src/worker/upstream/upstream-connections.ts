/**
 * The kept-alive connections of one worker to one target: on which transport they are.
 *
 * Thread: worker. Plain HTTP goes over lean connections. TLS goes over undici, which is loaded only
 * where some target speaks it: it takes a good part of a worker's start.
 */
import { isIP } from 'node:net';
import type { CompiledTarget, CompiledUpstream } from '../../config/compiled-config.js';
import { LeanPool } from './lean-pool.js';
import type { ReadMemory } from './read-memory.js';
import type { UpstreamConnections } from './upstream-transport.js';

/** A name is looked up for each new connection: so soon does traffic follow where it points. */
const NAMED_AGE_MS_MAX = 30_000;

/** The module that is loaded for TLS. */
export type UndiciTransport = typeof import('./undici-pool.js');

/** What connections need of their worker. */
export interface ConnectionParts {
  readonly memory: ReadMemory;
  nowMs(): number;
  /** A socket was opened. */
  onConnected(): void;
}

/** How connections to a target are made: {@link connectionsTo}, or what plays it in a test. */
export type ConnectTarget = typeof connectionsTo;

/** Opens nothing yet. With `undici`, everything goes over it. */
export function connectionsTo(
  target: CompiledTarget,
  upstream: CompiledUpstream,
  { memory, nowMs, onConnected }: ConnectionParts,
  undici: UndiciTransport | null,
): UpstreamConnections {
  const { hostname, port } = new URL(target.origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const { connectMs } = upstream.timeouts;
  if (undici === null) {
    const address = { host, port: port === '' ? 80 : Number(port) };
    const ageMsMax = isIP(host) === 0 ? NAMED_AGE_MS_MAX : Number.POSITIVE_INFINITY;
    return new LeanPool({ address, memory, connectMs, ageMsMax, nowMs, onConnected });
  }
  // The certificate is for the name that was written, whatever address that points to.
  const { hostname: written } = new URL(`https://${target.authority}`);
  const serverName = isIP(written.replace(/^\[|\]$/g, '')) === 0 ? written : '';
  const servername = target.tls ? serverName : null;
  return new undici.UndiciPool({ origin: target.origin, connectMs, servername, onConnected });
}

/** Null when no target needs it. */
export async function loadUndici(
  targets: readonly CompiledTarget[],
): Promise<UndiciTransport | null> {
  return targets.some(({ tls }) => tls) ? import('./undici-pool.js') : null;
}
