/**
 * How many connections and requests are allowed, by the configuration and by what the process can
 * hold.
 *
 * Thread: acceptor.
 */
import { BlockList } from 'node:net';
import { familyOf } from '../base/ip-address.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { ConnectionRule } from './connection-caps.js';

/** Open files that are kept for other things than clients, targets and threads. */
const FILES_RESERVED = 90;
/** What an acceptor or a worker has open for itself. */
const FILES_OF_THREAD = 5;

/** `filesMax`: how many open files the process may have. */
export function connectionRule(config: GatewaySettings, filesMax: number): ConnectionRule {
  const { limits, trustedProxies, acceptors, workers } = config;
  const exempt = addressList(trustedProxies);
  if (!limits.countsLoopback) {
    addRange(exempt, '127.0.0.0/8');
    addRange(exempt, '::1');
  }
  const reserved = FILES_RESERVED + FILES_OF_THREAD * (acceptors + workers);
  const room = Math.max(1, filesMax - inFlightMax(config, filesMax) - reserved);
  return {
    connectionsMax: Math.min(limits.connections, room),
    perAddressMax: limits.connectionsPerAddress,
    isExempt: (address) => exempt.check(address, familyOf(address)),
  };
}

/** How many requests may be in flight: each of them may need a connection to its target. */
export function inFlightMax({ limits }: GatewaySettings, filesMax: number): number {
  return Math.max(1, Math.min(limits.inFlight, Math.floor(filesMax / 2)));
}

/** `ranges`: addresses, or networks in CIDR form. */
export function addressList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) addRange(list, range);
  return list;
}

function addRange(list: BlockList, range: string): void {
  const [address = '', prefix] = range.split('/');
  const family = familyOf(address);
  list.addSubnet(address, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family);
}
