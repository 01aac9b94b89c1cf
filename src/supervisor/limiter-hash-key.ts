/**
 * The key of the hash by which limits know their keys.
 *
 * Thread: supervisor (on the main thread). Made once; every worker gets the same.
 */
import { createHash, randomBytes } from 'node:crypto';

/**
 * Without a secret a random key. From a secret always the same one: gateways of all versions must
 * agree on it.
 */
export function hashKeyOf(secret: string): readonly [number, number] {
  const bytes =
    secret === ''
      ? randomBytes(8)
      : createHash('sha256').update('sluice limiter keys\n').update(secret, 'utf8').digest();
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}
