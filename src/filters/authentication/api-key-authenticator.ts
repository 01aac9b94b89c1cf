/**
 * API keys in a field of their own. The gateway knows only hashes of the keys.
 *
 * Thread: worker. The lookup uses a keyed hash that no caller can predict, and the comparison takes
 * the same time for any content: the duration of an answer says nothing about the keys. The field
 * does not reach the upstream unless the configuration asks for that.
 */
import { hash, randomInt, timingSafeEqual } from 'node:crypto';
import { defined } from '../../base/assert.js';
import { HalfSipHash } from '../../base/half-sip-hash.js';
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  refused,
} from './authenticator.js';
import { makeIdentity } from './identity.js';
import type { CompiledApiKeyAuthenticator } from './options.js';

const KEY_CHARS_MAX = 1024;
const UNKNOWN = refused('the API key is not known');

interface KnownKey {
  readonly digest: Buffer;
  readonly result: AuthenticationResult;
}

/** The comparison runs against this entry when no such key exists. */
const NO_KEY: KnownKey = { digest: Buffer.alloc(32), result: UNKNOWN };

export class ApiKeyAuthenticator implements Authenticator {
  readonly name: string;
  readonly challenge: string;
  readonly isBearer = false;
  readonly ownedFields: readonly string[];
  readonly stripsAuthorization = false;
  readonly readsAuthorization = false;

  private readonly blinding = new HalfSipHash(randomInt(2 ** 32) | 0, randomInt(2 ** 32) | 0);
  private readonly known = new Map<number, KnownKey[]>();
  private readonly header: string;

  constructor(config: CompiledApiKeyAuthenticator) {
    this.name = config.name;
    this.header = config.header;
    this.challenge = `ApiKey realm="sluice", header="${config.header}"`;
    const owned = config.claimHeaders.map(([header]) => header);
    this.ownedFields = config.forwardCredentials ? owned : [...owned, config.header];
    for (const { id, sha256, scopes } of config.keys) {
      const claims = { sub: id, scope: scopes.join(' ') };
      const identity = defined(makeIdentity(id, claims, config), 'the identity of a bounded key');
      const digest = Buffer.from(sha256, 'hex');
      const place = this.placeOf(digest.toString('binary'));
      const others = this.known.get(place) ?? [];
      this.known.set(place, [...others, { digest, result: { verdict: 'accepted', identity } }]);
    }
  }

  authenticate({ fields }: AuthenticationRequest): AuthenticationResult {
    const [key = '', second] = fields.values(this.header);
    if (second !== undefined) return refused('the request has several API keys');
    if (key === '') return ABSENT;
    if (key.length > KEY_CHARS_MAX) return refused('the API key is too long');
    const text = hash('sha256', key, 'binary');
    const digest = Buffer.from(text, 'binary');
    const candidates = this.known.get(this.placeOf(text));
    let found = NO_KEY;
    for (const candidate of candidates ?? [NO_KEY]) {
      if (timingSafeEqual(candidate.digest, digest)) found = candidate;
    }
    return found.result;
  }

  private placeOf(digest: string): number {
    this.blinding.hash(digest);
    return this.blinding.low;
  }
}
