/**
 * The addresses behind the host names of targets.
 *
 * Thread: any (pure). Who looks them up is supervisor/name-watcher.ts.
 */
import { isIP } from 'node:net';
import type { TargetUrl } from './target-url.js';

/** By name; a name that is not there is used as it is. */
export type TargetAddresses = ReadonlyMap<string, readonly string[]>;

export const NO_ADDRESSES: TargetAddresses = new Map();

/** More would crowd out the other targets. */
const ADDRESSES_MAX = 64;

/** The host of a target without brackets; empty when it is an address, not a name. */
export function nameOfTarget({ origin }: TargetUrl): string {
  const { hostname } = new URL(origin);
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? hostname : '';
}

/** One target for each address. Its Host field and its certificate's name stay as they are. */
export function expandTarget(target: TargetUrl, addresses: TargetAddresses): TargetUrl[] {
  const found = addresses.get(nameOfTarget(target)) ?? [];
  if (found.length === 0) return [target];
  const { protocol, port } = new URL(target.origin);
  const portText = port === '' ? (target.tls ? '443' : '80') : port;
  return found.slice(0, ADDRESSES_MAX).map((address) => {
    const host = isIP(address) === 6 ? `[${address}]` : address;
    const hostPort = `${host}:${portText}`;
    return { ...target, origin: `${protocol}//${hostPort}`, hostPort };
  });
}
