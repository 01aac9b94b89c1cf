/**
 * How many connections are allowed, by the configuration and by what the process can hold.
 *
 * Thread: acceptor.
 */
import { BlockList } from 'node:net';
import { familyOf } from '../base/ip-address.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { ConnectionRule } from './connection-caps.js';

/** Open files that are kept for other things than clients and targets. */
const FILES_RESERVED = 100;

/** `filesMax`: how many open files the process may have. */
export function connectionRule(config: GatewaySettings, filesMax: number): ConnectionRule {
  const { limits, trustedProxies } = config;
  const exempt = addressList(trustedProxies);
  if (!limits.countsLoopback) {
    addRange(exempt, '127.0.0.0/8');
    addRange(exempt, '::1');
  }
  // Each request in flight may need a connection to its target.
  const forTargets = Math.min(limits.inFlight, Math.floor(filesMax / 2));
  const room = Math.max(1, filesMax - forTargets - FILES_RESERVED);
  return {
    connectionsMax: Math.min(limits.connections, room),
    perAddressMax: limits.connectionsPerAddress,
    isExempt: (address) => exempt.check(address, familyOf(address)),
  };
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
