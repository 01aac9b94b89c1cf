/**
 * API keys in a field of their own, a cookie or the query. The gateway knows only their hashes.
 *
 * Thread: worker. The lookup uses a keyed hash that no caller can predict, and the comparison takes
 * the same time for any content: the duration of an answer says nothing about the keys. A key does
 * not reach the upstream unless the configuration asks for that.
 */
import { hash, randomInt, timingSafeEqual } from 'node:crypto';
import { defined } from '../../base/assert.js';
import { HalfSipHash } from '../../base/half-sip-hash.js';
import type { ManagedKey } from '../../base/managed-key.js';
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  refused,
  SEVERAL,
  unavailable,
} from './authenticator.js';
import { Credentials } from './credentials.js';
import { makeIdentity } from './identity.js';
import { type ManagedKeyFeed, managedIdOf, NO_MANAGED_KEYS } from './managed-keys.js';
import type { CompiledApiKeyAuthenticator, CredentialPlace } from './options.js';

const KEY_CHARS_MAX = 1024;
const UNKNOWN = refused('the API key is not known');
const NOT_KNOWN_NOW = unavailable('the API keys are not known for now');
const EXPIRED = refused('the API key has expired');
/** The comparison runs against it when no such key was made. */
const NO_DIGEST = '0'.repeat(64);

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
  readonly hides: readonly CredentialPlace[];
  readonly stripsAuthorization = false;
  readonly readsAuthorization = false;

  private readonly blinding = new HalfSipHash(randomInt(2 ** 32) | 0, randomInt(2 ** 32) | 0);
  private readonly known = new Map<number, KnownKey[]>();
  private readonly credentials: Credentials;

  /** What each key that was made at run time lets in; a changed key is another object. */
  private readonly managed = new WeakMap<ManagedKey, AuthenticationResult>();

  constructor(
    private readonly config: CompiledApiKeyAuthenticator,
    private readonly feed: ManagedKeyFeed = NO_MANAGED_KEYS,
  ) {
    this.name = config.name;
    this.credentials = new Credentials(config, false);
    const { hiddenFields, hides } = this.credentials;
    this.challenge = challengeOf(config.from);
    this.ownedFields = [...config.claimHeaders.map(([header]) => header), ...hiddenFields];
    this.hides = hides;
    for (const { id, sha256, scopes } of config.keys) {
      const claims = { sub: id, scope: scopes.join(' ') };
      const identity = defined(makeIdentity(id, claims, config), 'the identity of a bounded key');
      const digest = Buffer.from(sha256, 'hex');
      const place = this.placeOf(digest.toString('binary'));
      const others = this.known.get(place) ?? [];
      this.known.set(place, [...others, { digest, result: { verdict: 'accepted', identity } }]);
    }
  }

  authenticate(request: AuthenticationRequest, unixSeconds: number): AuthenticationResult {
    const key = this.credentials.read(request);
    if (key === '') return ABSENT;
    if (key === null) return SEVERAL;
    if (key.length > KEY_CHARS_MAX) return refused('the API key is too long');
    const text = hash('sha256', key, 'binary');
    const digest = Buffer.from(text, 'binary');
    const id = this.config.isManaged ? managedIdOf(key) : '';
    if (id !== '') return this.judge(id, digest, unixSeconds * 1000);
    const candidates = this.known.get(this.placeOf(text));
    let found = NO_KEY;
    for (const candidate of candidates ?? [NO_KEY]) {
      if (timingSafeEqual(candidate.digest, digest)) found = candidate;
    }
    return found.result;
  }

  /** Of a key that was made at run time. */
  private judge(id: string, digest: Buffer, unixMs: number): AuthenticationResult {
    const found = this.feed.find(id);
    const key = found?.authenticator === this.name ? found : undefined;
    let isRight = false;
    for (const { sha256, untilMs } of key?.secrets ?? [{ sha256: NO_DIGEST, untilMs: null }]) {
      const isSame = timingSafeEqual(Buffer.from(sha256, 'hex'), digest);
      if (isSame && (untilMs === null || unixMs < untilMs)) isRight = true;
    }
    if (!this.feed.isKnown) return NOT_KNOWN_NOW;
    if (key === undefined || !isRight) return UNKNOWN;
    if (key.expiresMs !== null && unixMs >= key.expiresMs) return EXPIRED;
    const known = this.managed.get(key) ?? this.accepted(key);
    this.managed.set(key, known);
    return known;
  }

  private accepted({ id, consumer, scopes, expiresMs }: ManagedKey): AuthenticationResult {
    const exp = expiresMs === null ? {} : { exp: expiresMs / 1000 };
    const claims = { sub: consumer, scope: scopes.join(' '), keyId: id, ...exp };
    const identity = makeIdentity(consumer, claims, this.config);
    return { verdict: 'accepted', identity: defined(identity, 'the identity of a bounded key') };
  }

  private placeOf(digest: string): number {
    this.blinding.hash(digest);
    return this.blinding.low;
  }
}

/** Parameters of a challenge have each name once (RFC 9110 11.2). */
function challengeOf(places: readonly CredentialPlace[]): string {
  const kinds = new Map<string, string>();
  for (const { kind, name } of places) if (!kinds.has(kind)) kinds.set(kind, name);
  const parameters = [...kinds].map(([kind, name]) => `, ${kind}="${name}"`);
  return `ApiKey realm="sluice"${parameters.join('')}`;
}
