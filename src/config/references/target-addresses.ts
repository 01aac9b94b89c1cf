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

/** Addresses of one name, at most: more would crowd out the targets of others. */
export const ADDRESSES_MAX = 64;

/** The host of a target; empty when it is an address, not a name. */
export function nameOfTarget({ origin }: TargetUrl): string {
  const { hostname } = new URL(origin);
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? hostname : '';
}

/** A target for each address, up to `max`. Host field and name in the certificate stay. */
export function expandTarget(
  target: TargetUrl,
  addresses: TargetAddresses,
  max: number,
): TargetUrl[] {
  const found = addresses.get(nameOfTarget(target)) ?? [];
  if (found.length === 0) return [target];
  // new URL() leaves the scheme's own port out.
  const port = target.hostPort.slice(target.hostPort.lastIndexOf(':') + 1);
  const scheme = target.tls ? 'https' : 'http';
  return found.slice(0, max).map((address) => {
    const hostPort = `${hostOf(address)}:${port}`;
    return { ...target, origin: `${scheme}://${hostPort}`, hostPort };
  });
}

/** The addresses among these that can be used, each once, in one order and one spelling. */
export function usableAddresses(found: readonly string[]): string[] {
  return [...new Set(found.filter(isUsable).map(inOneSpelling))].sort();
}

/** Up to `max` of them, those in use first: a longer answer does not move traffic about. */
export function chooseAddresses(
  usable: readonly string[],
  inUse: readonly string[],
  max: number,
): string[] {
  const isInUse = new Set(inUse);
  const kept = usable.filter((address) => isInUse.has(address));
  const others = usable.filter((address) => !isInUse.has(address));
  return [...kept, ...others].slice(0, max).sort();
}

/** No URL has room for the zone of a link-local address. */
function isUsable(address: string): boolean {
  return isIP(address) !== 0 && !address.includes('%');
}

function inOneSpelling(address: string): string {
  return new URL(`http://${hostOf(address)}`).hostname.replace(/^\[|\]$/g, '');
}

function hostOf(address: string): string {
  return isIP(address) === 6 ? `[${address}]` : address;
}
