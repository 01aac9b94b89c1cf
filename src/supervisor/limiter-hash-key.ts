/**
 * The key of the hash by which limits know their keys.
 *
 * Thread: supervisor (on the main thread). Made once; every worker gets the same.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { CompiledStore } from '../config/store-settings.js';

/**
 * Without a secret a random key; where gateways share a store, one that follows from its prefix, so
 * that they know a client by the same hash. From a secret always the same one: gateways of all
 * versions must agree on it.
 */
export function hashKeyOf(
  secret: string,
  store: Pick<CompiledStore, 'prefix'> | null,
): readonly [number, number] {
  const bytes = secret === '' && store === null ? randomBytes(8) : digestOf(secret, store);
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}

function digestOf(secret: string, store: Pick<CompiledStore, 'prefix'> | null): Buffer {
  const text = secret === '' ? `store\n${store?.prefix ?? ''}` : secret;
  return createHash('sha256').update('sluice limiter keys\n').update(text, 'utf8').digest();
}
