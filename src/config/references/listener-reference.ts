/**
 * By which name and address a listener is known.
 *
 * Thread: any (pure).
 */
import { addressText, type ListenerAddress } from '../../base/listener-address.js';
import type { SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, ListenConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

type Listen = GatewayConfig['listen'];

/** The listeners as a list, whichever way they are written; one where nothing is said. */
export function listenersOf(listen: Listen): readonly ListenConfig[];
export function listenersOf(
  listen: SoundPart<Listen>,
): readonly (SoundPart<ListenConfig> | undefined)[];
export function listenersOf(
  listen: SoundPart<Listen>,
): readonly (SoundPart<ListenConfig> | undefined)[] {
  if (listen === undefined) return [{}];
  return isList(listen) ? listen : [listen];
}

/** Whether the listeners are written as a list. */
export function isList<T>(listen: T | readonly T[] | undefined): listen is readonly T[] {
  return Array.isArray(listen);
}

export function listenerAddress(listen: SoundPart<ListenConfig>): ListenerAddress {
  const { unixSocket, systemdSocket, reusePort = false } = listen;
  if (unixSocket !== undefined) return { kind: 'unix', path: unixSocket };
  if (systemdSocket !== undefined) return { kind: 'inherited', name: systemdSocket };
  const { host = DEFAULTS.listen.host, port = DEFAULTS.listen.port } = listen;
  return { kind: 'tcp', host, port, reusePort };
}

export function listenerName(listen: SoundPart<ListenConfig>): string {
  return listen.name ?? addressText(listenerAddress(listen));
}
