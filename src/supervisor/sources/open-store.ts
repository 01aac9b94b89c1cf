/**
 * Opens a store of configurations by its address.
 *
 * Thread: supervisor (on the main thread). Of the providers only the one that is named is loaded.
 */
import { randomInt } from 'node:crypto';
import type { Clock, Random } from '../../base/clock.js';
import type { ConfigStore } from './config-store.js';
import type { StoreAddress } from './store-address.js';

export async function openStore(
  address: StoreAddress,
  clock: Pick<Clock, 'nowMs' | 'after' | 'every'>,
): Promise<ConfigStore> {
  if (address.provider === 'consul') {
    const { ConsulStore } = await import('./consul/consul-store.js');
    return new ConsulStore({ address, clock, random: storeRandom });
  }
  const { EtcdStore } = await import('./etcd/etcd-store.js');
  return new EtcdStore({ address, clock, random: storeRandom });
}

/** Gateways of a machine that has just started must not all come again at one moment. */
export const storeRandom: Random = () => randomInt(RANDOM_STEPS) / RANDOM_STEPS;
const RANDOM_STEPS = 2 ** 32;
