/**
 * What authenticators of bearer tokens have in common: where the token stands, what its claims make
 * of its bearer, and that whoever sends a bound one holds its key (RFC 8705, RFC 9449).
 *
 * Thread: worker. Invariant: whatever is remembered of a token knows neither the connection nor the
 * proof that it came with, so both are judged at each request.
 */
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  type Claims,
  refused,
  SEVERAL,
} from './authenticator.js';
import { tokenDigest } from './bearer-token.js';
import { claimsProblem } from './claim-checks.js';
import { Credentials } from './credentials.js';
import type { ProofFeed } from './dpop/proof-feed.js';
import { DPOP_CHALLENGE, ProofOfPossession } from './dpop/proof-of-possession.js';
import { claimAt, makeIdentity, textOf } from './identity.js';
import type {
  CompiledIntrospectionAuthenticator,
  CompiledJwtAuthenticator,
  CredentialPlace,
} from './options.js';
import { bound } from './token-binding.js';

type BearerConfig = CompiledIntrospectionAuthenticator | CompiledJwtAuthenticator;

export abstract class BearerAuthenticator<Config extends BearerConfig> implements Authenticator {
  readonly name: string;
  readonly challenge: string;
  readonly otherChallenge?: string;
  readonly isBearer = true;
  readonly ownedFields: readonly string[];
  readonly stripsAuthorization: boolean;
  readonly readsAuthorization: boolean;
  readonly hides: readonly CredentialPlace[];

  private readonly credentials: Credentials;
  private readonly possession: ProofOfPossession;

  protected constructor(
    protected readonly config: Config,
    proofs: ProofFeed,
  ) {
    this.name = config.name;
    this.challenge = config.dpop === 'required' ? DPOP_CHALLENGE : 'Bearer realm="sluice"';
    if (config.dpop === 'accepted') this.otherChallenge = DPOP_CHALLENGE;
    this.credentials = new Credentials(config, true);
    this.possession = new ProofOfPossession(config, proofs);
    const { hiddenFields, readsAuthorization, hides } = this.credentials;
    this.ownedFields = [...config.claimHeaders.map(([header]) => header), ...hiddenFields];
    this.stripsAuthorization = !config.forwardCredentials;
    this.readsAuthorization = readsAuthorization;
    this.hides = hides;
  }

  usesAuthorization(request: AuthenticationRequest): boolean {
    return this.credentials.usesAuthorization(request);
  }

  // Hot path, watched by bench/micro/filters/authentication: every request with a token.
  authenticate(
    request: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const token = this.credentials.read(request);
    if (token === '') return ABSENT;
    if (token === null) return SEVERAL;
    const result = this.resultOf(token, tokenDigest(token, request.known), unixSeconds);
    if (!(result instanceof Promise)) return this.held(result, token, request, unixSeconds);
    return result.then((later) => this.held(later, token, request, unixSeconds));
  }

  /** What the token says, whoever sends it: at once where it is remembered under its digest. */
  protected abstract resultOf(
    token: string,
    digest: string,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult>;

  private held(
    result: AuthenticationResult,
    token: string,
    request: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const held = bound(result, request, this.config.binding);
    return this.possession.check(held, token, request, unixSeconds);
  }

  protected judgeClaims(claims: Claims, unixSeconds: number): AuthenticationResult {
    const problem = claimsProblem(claims, this.config, unixSeconds);
    if (problem !== null) return refused(problem.reason, problem.cause);
    const consumer = textOf(claimAt(claims, this.config.consumerClaim));
    const identity = makeIdentity(consumer, claims, this.config);
    return identity === undefined
      ? refused('a claim of the token is too long')
      : { verdict: 'accepted', identity };
  }
}
