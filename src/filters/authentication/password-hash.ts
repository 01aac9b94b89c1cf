/**
 * Makes and checks password hashes with scrypt (RFC 7914).
 *
 * Thread: any (pure). The work is done on Node's own thread pool.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { formatPasswordHash, type PasswordHash } from '../../base/password-hash.js';

/** 32 MiB and some tens of milliseconds for each password. */
const PARAMETERS = { costLog2: 15, blockSize: 8, parallelization: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Longer passwords are refused unread: nobody types them, and each byte costs time. */
export const PASSWORD_BYTES_MAX = 1024;

/** Used for an unknown user: the check takes the usual time. */
export const NO_PASSWORD: PasswordHash = {
  ...PARAMETERS,
  salt: randomBytes(SALT_BYTES),
  hash: Buffer.alloc(HASH_BYTES),
};

/** A new hash of a password. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, { ...NO_PASSWORD, salt });
  return formatPasswordHash({ ...PARAMETERS, salt, hash });
}

/** Whether this is the password. The time of the check does not depend on the answer. */
export async function isPassword(password: string, known: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, known), known.hash);
}

function derive(password: string, known: PasswordHash): Promise<Buffer> {
  const { costLog2, blockSize, parallelization, salt, hash } = known;
  const cost = 2 ** costLog2;
  const options = {
    N: cost,
    r: blockSize,
    p: parallelization,
    // Slightly more than scrypt needs: Node's default is just below the need.
    maxmem: 256 * cost * blockSize,
  };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, hash.length, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
