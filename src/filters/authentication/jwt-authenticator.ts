/**
 * Verifies signed bearer tokens (RFC 7519, RFC 6750, RFC 8725).
 *
 * Thread: worker. Owns a bounded number of remembered tokens that were verified, each until its
 * `exp`, under a hash of the whole token. When a key is removed, all are forgotten.
 */
import type { Jwk } from '../../base/json-web-key.js';
import { type AuthenticationResult, type Claims, refused, unavailable } from './authenticator.js';
import { BearerAuthenticator } from './bearer-authenticator.js';
import { quoted } from './claim-checks.js';
import { NO_PROOFS, type ProofFeed } from './dpop/proof-feed.js';
import { ExpiringMemory } from './expiring-memory.js';
import { KeyRing } from './key-ring.js';
import type { KeySetFeed } from './key-set-feed.js';
import type { CompiledJwtAuthenticator } from './options.js';
import {
  KEY_UNKNOWN,
  MALFORMED,
  readToken,
  signatureProblem,
  type TokenParts,
} from './signed-token.js';
import { parseStrictObject } from './strict-json.js';

const REMEMBERED_MAX = 4096;
/** Characters of all tokens that are remembered: what is kept of one is about as large. */
const REMEMBERED_CHARS_MAX = 16 * 1024 * 1024;

export class JwtAuthenticator extends BearerAuthenticator<CompiledJwtAuthenticator> {
  private readonly remembered = new ExpiringMemory<AcceptedToken>(
    REMEMBERED_MAX,
    REMEMBERED_CHARS_MAX,
  );
  /** null: no key set has arrived yet. */
  private ring: KeyRing | null = null;
  private keys: readonly Jwk[] = [];
  private importing: Promise<void> = Promise.resolve();
  private unsubscribe = (): void => {};

  private constructor(
    config: CompiledJwtAuthenticator,
    private readonly feed: KeySetFeed,
    proofs: ProofFeed,
  ) {
    super(config, proofs);
  }

  /** Imports the keys of the configuration; those of a key set arrive later. */
  static async create(
    config: CompiledJwtAuthenticator,
    feed: KeySetFeed,
    proofs: ProofFeed = NO_PROOFS,
  ): Promise<JwtAuthenticator> {
    const authenticator = new JwtAuthenticator(config, feed, proofs);
    if (config.keySource === null) {
      const secret = { kty: 'oct', k: Buffer.from(config.secret, 'utf8').toString('base64url') };
      await authenticator.useKeys(config.secret === '' ? config.keys : [secret]);
    } else {
      authenticator.unsubscribe = feed.subscribe(
        config.keySource.id,
        (keys) => void authenticator.useKeys(keys),
      );
    }
    return authenticator;
  }

  async close(): Promise<void> {
    this.unsubscribe();
  }

  protected override resultOf(
    token: string,
    digest: string,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const known = this.remembered.get(digest, unixSeconds);
    if (known === undefined) return this.verify(token, digest, unixSeconds);
    return this.isRevoked(known.identity.claims) ? refused(REVOKED) : known;
  }

  private async verify(
    token: string,
    digest: string,
    unixSeconds: number,
  ): Promise<AuthenticationResult> {
    const parts = readToken(token);
    if (parts === undefined) return refused(MALFORMED);
    if (!this.config.algorithms.includes(parts.algorithm)) {
      const { algorithms } = this.config;
      const cause = `alg is ${quoted(parts.algorithm)}, expected one of ${algorithms.join(', ')}`;
      return refused('the algorithm of the token is not allowed', cause);
    }
    let { ring } = this;
    let problem = await problemWith(parts, ring);
    if (problem === KEY_UNKNOWN && (await this.hasAskedForKeys())) {
      ({ ring } = this);
      problem = await problemWith(parts, ring);
    }
    if (ring === null) return unavailable('the keys that verify tokens could not be fetched yet');
    if (problem !== '') {
      return refused(problem, problem === MALFORMED ? '' : keyCause(parts, ring));
    }
    const result = this.judge(parts, unixSeconds);
    // A key may have been removed during the check of the signature: then the next request checks
    // it again.
    if (result.verdict === 'accepted' && ring === this.ring) {
      this.remember(digest, result, token.length);
    }
    return result;
  }

  /** Waits for another attempt to fetch keys. False: it is too early for one. */
  private async hasAskedForKeys(): Promise<boolean> {
    const { keySource } = this.config;
    if (keySource === null) return false;
    const asked = this.feed.askNewer(keySource.id);
    if (asked === null) return false;
    await asked;
    await this.importing;
    return true;
  }

  private judge({ payload }: TokenParts, unixSeconds: number): AuthenticationResult {
    const claims = parseStrictObject(payload);
    if (claims === undefined) return refused(MALFORMED);
    const result = this.judgeClaims(claims, unixSeconds);
    const isRevoked = result.verdict === 'accepted' && this.isRevoked(claims);
    return isRevoked ? refused(REVOKED) : result;
  }

  private remember(digest: string, accepted: AcceptedToken, chars: number): void {
    const { exp } = accepted.identity.claims;
    if (typeof exp !== 'number') return;
    const expiresAt = exp + this.config.clockSkewMs / 1000;
    this.remembered.set(digest, accepted, { expiresAt, weight: chars });
  }

  private isRevoked(claims: Claims): boolean {
    return this.config.keySource?.kind === 'tokenService' && this.feed.isRevoked(claims);
  }

  /** Sets are imported one after the other, so that an older one never replaces a newer one. */
  private useKeys(keys: readonly Jwk[]): Promise<void> {
    this.importing = this.importing.then(async () => {
      const ring = await KeyRing.create(keys, this.config.algorithms);
      // Signatures of a key that was removed must not be believed any more.
      if (this.keys.some((key) => !holds(keys, key))) this.remembered.clear();
      this.ring = ring;
      this.keys = keys;
    });
    return this.importing;
  }
}

type AcceptedToken = Extract<AuthenticationResult, { readonly verdict: 'accepted' }>;

const REVOKED = 'the token was taken back';

async function problemWith(parts: TokenParts, ring: KeyRing | null): Promise<string> {
  return ring === null ? KEY_UNKNOWN : signatureProblem(parts, ring);
}

/** Which key the token names, and how many there were to try. */
function keyCause({ algorithm, kid }: TokenParts, ring: KeyRing): string {
  const named = kid === undefined ? 'no kid' : `kid ${quoted(kid)}`;
  const count = ring.find(algorithm, kid).length;
  return `the token has ${named}; keys for it and ${algorithm}: ${count}, none has signed it`;
}

function holds(keys: readonly Jwk[], key: Jwk): boolean {
  const wanted = JSON.stringify(key);
  return keys.some((one) => JSON.stringify(one) === wanted);
}
