/**
 * Compiles the gateway's own identity (SPIFFE), and whom it believes by it.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { trustDomainOf } from '../../base/spiffe-id.js';
import type { GatewayConfig, ListenTlsConfig, TargetTlsConfig } from '../gateway-config.js';
import { spiffeUsers } from '../references/spiffe-users.js';
import { DEFAULTS } from '../schema/defaults.js';
import type { ListenerSpiffe, SpiffeSettings, TargetSpiffe } from '../spiffe-settings.js';

const { clients: defaultClients } = DEFAULTS.listen.tls.spiffe;

/** null: nothing needs an identity. */
export function compileSpiffe(config: GatewayConfig): SpiffeSettings | null {
  const { spiffe } = config;
  const users = spiffeUsers(config);
  if (spiffe === undefined && users.length === 0) return null;
  return { endpoint: spiffe?.endpoint ?? '', hint: spiffe?.hint ?? '', users };
}

/** null: targets are known by their host names. */
export function compileTargetSpiffe(config: TargetTlsConfig['spiffe']): TargetSpiffe | null {
  if (config === undefined || config === false) return null;
  if (config === true) return { trustDomain: '', ids: [] };
  const { id, ids = [], trustDomain = '' } = config;
  const all = id === undefined ? ids : [id];
  return { trustDomain: trustDomain || trustDomainOf(all[0] ?? ''), ids: all };
}

/** null: the listener has other certificates. */
export function compileListenerSpiffe(config: ListenTlsConfig['spiffe']): ListenerSpiffe | null {
  if (config === undefined || config === false) return null;
  if (config === true) return { clients: defaultClients, trustDomains: [] };
  return { clients: config.clients ?? defaultClients, trustDomains: config.trustDomains ?? [] };
}
