/**
 * Holds a body against its Content-Digest (RFC 9530).
 *
 * Thread: any (pure).
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { isInnerList, parseDictionary } from './structured-fields.js';

/** The algorithms that are not broken (RFC 9530 5). */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['sha-256', 'sha256'],
  ['sha-512', 'sha512'],
]);

/** Why the body is not the one that the field describes; '': it is. All hashes must fit. */
export function digestProblem(values: readonly string[], body: Buffer): string {
  const digests = parseDictionary(values);
  if (digests === undefined || digests.size === 0) return 'Content-Digest is malformed or missing';
  let known = 0;
  for (const [name, member] of digests) {
    const algorithm = HASHES.get(name);
    if (algorithm === undefined) continue;
    known++;
    if (isInnerList(member) || member.bare.type !== 'bytes') return 'Content-Digest is malformed';
    const own = hash(algorithm, body, 'buffer');
    const wanted = member.bare.value;
    if (wanted.length !== own.length || !timingSafeEqual(wanted, own)) {
      return 'Content-Digest is not that of the body';
    }
  }
  return known > 0 ? '' : `Content-Digest has none of ${[...HASHES.keys()].join(', ')}`;
}
