/**
 * Compiles how the targets of an upstream are spoken with.
 *
 * Thread: any (pure). A part of compile-config.ts; runs on a configuration that was checked.
 */
import { durationMs } from '../../base/quantities.js';
import type { CompiledProtocol } from '../compiled-protocol.js';
import type { UpstreamConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

const { upstream: defaults } = DEFAULTS;

export function compileUpstreamProtocol({
  protocol = defaults.protocol,
  http2 = {},
}: UpstreamConfig): CompiledProtocol {
  const { ping } = http2;
  return {
    protocol,
    http2: {
      streamsMax: http2.maxStreams ?? defaults.http2.maxStreams,
      connectionsMax: http2.maxConnections ?? defaults.http2.maxConnections,
      pingMs: ping === undefined ? 0 : durationMs(ping.interval),
      pongMs: durationMs(ping?.timeout ?? defaults.http2.ping.timeout),
    },
  };
}
