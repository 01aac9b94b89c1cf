/**
 * Password hashes in the usual notation, `$scrypt$ln=15,r=8,p=1$SALT$HASH` (scrypt: RFC 7914).
 *
 * Thread: any (pure). Salt and hash are base64 without padding; `ln` is the binary logarithm of the
 * cost. The bounds refuse a hash that is too cheap to protect a password, or too expensive to
 * check.
 */

const COST_LOG2_RANGE = [14, 17] as const;
const BLOCK_SIZE_RANGE = [8, 8] as const;
const PARALLELIZATION_RANGE = [1, 4] as const;
const SALT_BYTES_RANGE = [16, 64] as const;
const HASH_BYTES_RANGE = [32, 64] as const;

export interface PasswordHash {
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Reads a hash, or returns what is wrong with the hash without repeating it. */
export function parsePasswordHash(text: string): PasswordHash | string {
  const match =
    /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(
      text,
    );
  if (match === null) {
    return 'must be what `sluice hash-password` prints ($scrypt$ln=…,r=…,p=…$…$…)';
  }
  const [, ln = '', r = '', p = '', salt = '', hash = ''] = match;
  const parsed: PasswordHash = {
    costLog2: Number(ln),
    blockSize: Number(r),
    parallelization: Number(p),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
  const isInBounds =
    isWithin(parsed.costLog2, COST_LOG2_RANGE) &&
    isWithin(parsed.blockSize, BLOCK_SIZE_RANGE) &&
    isWithin(parsed.parallelization, PARALLELIZATION_RANGE) &&
    isWithin(parsed.salt.length, SALT_BYTES_RANGE) &&
    isWithin(parsed.hash.length, HASH_BYTES_RANGE);
  if (isInBounds) return parsed;
  return 'must have ln from 14 to 17, r 8, p from 1 to 4, and 16 bytes of salt';
}

function isWithin(value: number, [min, max]: readonly [number, number]): boolean {
  return value >= min && value <= max;
}

/** The notation of a hash. */
export function formatPasswordHash(parsed: PasswordHash): string {
  const { costLog2, blockSize, parallelization, salt, hash } = parsed;
  const parameters = `ln=${costLog2},r=${blockSize},p=${parallelization}`;
  return `$scrypt$${parameters}$${unpadded(salt)}$${unpadded(hash)}`;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
