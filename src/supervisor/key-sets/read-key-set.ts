/**
 * Reads what a key server publishes: a key set (RFC 7517 5), found by its address or by OpenID
 * Connect Discovery 1.0.
 *
 * Thread: supervisor (on the main thread).
 */
import { algorithmsOf, type Jwk } from '../../base/json-web-key.js';
import { isSafeUrl } from '../../base/safe-url.js';
import type { CompiledKeySource } from '../../filters/authentication/options.js';

/** More keys than any issuer has at the same time. */
const KEYS_MAX = 100;
/** The members of a public key. All other members are dropped. */
const PUBLIC_MEMBERS = ['kty', 'kid', 'alg', 'use', 'key_ops', 'crv', 'n', 'e', 'x', 'y'];

export type FetchJson = (url: string) => Promise<unknown>;

/** The public keys of a source. Rejects with an Error that says why there are none. */
export async function readKeySet(source: CompiledKeySource, fetch: FetchJson): Promise<Jwk[]> {
  const url = source.kind === 'discovery' ? await discover(source, fetch) : source.url;
  const document = await fetch(url);
  const keys = publicKeys(document);
  // An empty set is far more often a mistake of the server than a wish to lock everybody out.
  if (keys.length === 0) throw new Error('the key set holds no key that verifies signatures');
  return keys;
}

async function discover(source: CompiledKeySource, fetch: FetchJson): Promise<string> {
  const base = source.url.replace(/\/$/, '');
  const document = await fetch(`${base}/.well-known/openid-configuration`);
  const { issuer, jwks_uri: keysUrl } = (document ?? {}) as Record<string, unknown>;
  // OpenID Connect Discovery 1.0, 4.3: otherwise one issuer could speak for another.
  if (issuer !== source.url) throw new Error('the discovery document is of another issuer');
  if (typeof keysUrl !== 'string' || !isSafeUrl(keysUrl, source.allowHttp)) {
    throw new Error('the discovery document names no jwks_uri that may be used');
  }
  return keysUrl;
}

/** Leaves shared secrets out: everybody who can read them could make tokens. */
function publicKeys(document: unknown): Jwk[] {
  const { keys } = (document ?? {}) as Record<string, unknown>;
  if (!Array.isArray(keys)) throw new Error('the document is no key set');
  const found: Jwk[] = [];
  for (const key of keys.slice(0, KEYS_MAX) as unknown[]) {
    if (typeof key !== 'object' || key === null) continue;
    const members = Object.entries(key).filter(([name]) => PUBLIC_MEMBERS.includes(name));
    const jwk: Jwk = Object.fromEntries(members);
    if (jwk['kty'] !== 'oct' && algorithmsOf(jwk).length > 0) found.push(jwk);
  }
  return found;
}
