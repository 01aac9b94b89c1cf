/**
 * What a listener asks for that the engine `uws` cannot do: the one list of its gaps that the
 * configuration knows of.
 *
 * Thread: any (pure). uWebSockets.js binds TCP ports only and has timers of its own.
 */
import type { SoundPart } from '../../schema/finding.js';
import type { ListenConfig } from '../gateway-config.js';

const WIRE_ONLY = [
  'unixSocket',
  'systemdSocket',
  'proxyProtocol',
  'idleTimeout',
  'headTimeout',
  'bodyIdleTimeout',
  'keepAliveRequests',
  'tls',
] as const satisfies readonly (keyof ListenConfig)[];

/** Keys of the listener that need the engine `wire`, as they are written; empty: any will do. */
export function wireOnlyKeys(listen: SoundPart<ListenConfig>): readonly string[] {
  return WIRE_ONLY.filter((key) => listen[key] !== undefined);
}
