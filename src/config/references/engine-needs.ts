/**
 * What a listener asks for that the engine `uws` cannot do: the one list of its gaps that the
 * configuration knows of.
 *
 * Thread: any (pure). uWebSockets.js binds TCP ports only and has timers of its own.
 */
import type { SoundPart } from '../../schema/finding.js';
import type { LimitsConfig, ListenConfig } from '../gateway-config.js';

const WIRE_ONLY = [
  'unixSocket',
  'systemdSocket',
  'proxyProtocol',
  'idleTimeout',
  'headTimeout',
  'bodyIdleTimeout',
  'halfCloseTimeout',
  'keepAliveRequests',
  'rawCharacters',
  'http2',
  'tls',
] as const satisfies readonly (keyof ListenConfig)[];

/** Its parser has 98 slots for fields, and stalls on more. */
const UWS_FIELDS_MAX = 90;

/** Keys of the listener that need the engine `wire`, as they are written; empty: any will do. */
export function wireOnlyKeys(listen: SoundPart<ListenConfig>): readonly string[] {
  const keys = WIRE_ONLY.filter((key) => listen[key] !== undefined);
  const hasHttp2 = listen.protocols?.some((one) => one !== undefined && one !== 'http1') === true;
  return hasHttp2 ? ['protocols', ...keys] : keys;
}

/** The same of `limits`, which hold for every listener: their whole paths. */
export function wireOnlyLimits({ headerFields = 0 }: SoundPart<LimitsConfig>): readonly string[] {
  return headerFields > UWS_FIELDS_MAX ? ['limits.headerFields'] : [];
}
