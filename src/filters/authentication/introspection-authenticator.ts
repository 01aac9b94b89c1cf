/**
 * Asks the server that issued a bearer token whether the token is valid (RFC 7662), and sees to it
 * that whoever sends a bound one holds its key (RFC 8705, RFC 9449).
 *
 * Thread: worker. Owns a bounded number of remembered answers, each for a short time and at most
 * until the token's `exp`. Requests that bring the same token at the same time share one question.
 */
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  refused,
  SEVERAL,
  unavailable,
} from './authenticator.js';
import { tokenDigest } from './bearer-token.js';
import { claimsProblem } from './claim-checks.js';
import { Credentials } from './credentials.js';
import { NO_PROOFS, type ProofFeed } from './dpop/proof-feed.js';
import { DPOP_CHALLENGE, ProofOfPossession } from './dpop/proof-of-possession.js';
import { ExpiringMemory } from './expiring-memory.js';
import { HttpCaller } from './http-caller.js';
import { claimAt, makeIdentity, textOf } from './identity.js';
import type { CompiledIntrospectionAuthenticator, CredentialPlace } from './options.js';
import { parseStrictObject } from './strict-json.js';
import { bound } from './token-binding.js';

const REMEMBERED_MAX = 4096;
/** Characters of all answers that are remembered. */
const REMEMBERED_CHARS_MAX = 16 * 1024 * 1024;
/** An answer of "not active" is remembered for at most this time. */
const INACTIVE_SECONDS_MAX = 10;

const INACTIVE = refused('the token is not active');
const NO_ANSWER = unavailable('the server that checks tokens does not answer');

export class IntrospectionAuthenticator implements Authenticator {
  readonly name: string;
  readonly challenge: string;
  readonly otherChallenge?: string;
  readonly isBearer = true;
  readonly ownedFields: readonly string[];
  readonly stripsAuthorization: boolean;
  readonly readsAuthorization: boolean;
  readonly hides: readonly CredentialPlace[];

  private readonly credentials: Credentials;
  private readonly caller: HttpCaller;
  private readonly clientCredentials: string;
  private readonly accepted = new ExpiringMemory<AuthenticationResult>(
    REMEMBERED_MAX,
    REMEMBERED_CHARS_MAX,
  );
  /** Separate from accepted tokens, so that invented tokens do not push these out. */
  private readonly inactive = new ExpiringMemory<AuthenticationResult>(REMEMBERED_MAX);
  private readonly asked = new Map<string, Promise<AuthenticationResult>>();

  private readonly possession: ProofOfPossession;

  constructor(
    private readonly config: CompiledIntrospectionAuthenticator,
    proofs: ProofFeed = NO_PROOFS,
  ) {
    this.name = config.name;
    this.challenge = config.dpop === 'required' ? DPOP_CHALLENGE : 'Bearer realm="sluice"';
    if (config.dpop === 'accepted') this.otherChallenge = DPOP_CHALLENGE;
    this.credentials = new Credentials(config, true, true);
    this.possession = new ProofOfPossession(config, proofs);
    const { hiddenFields, readsAuthorization, hides } = this.credentials;
    this.ownedFields = [...config.claimHeaders.map(([header]) => header), ...hiddenFields];
    this.stripsAuthorization = !config.forwardCredentials;
    this.readsAuthorization = readsAuthorization;
    this.hides = hides;
    this.caller = new HttpCaller(config.url, config.timeoutMs);
    const pair = [config.clientId, config.clientSecret].map(formEncode).join(':');
    this.clientCredentials = `Basic ${Buffer.from(pair).toString('base64')}`;
  }

  authenticate(
    request: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const token = this.credentials.read(request);
    if (token === '') return ABSENT;
    if (token === null) return SEVERAL;
    const digest = tokenDigest(token, request.known);
    const known = this.accepted.get(digest, unixSeconds) ?? this.inactive.get(digest, unixSeconds);
    if (known !== undefined) return this.held(known, token, { request, unixSeconds });
    let asked = this.asked.get(digest);
    if (asked === undefined) {
      asked = this.ask(token, digest, unixSeconds).finally(() => this.asked.delete(digest));
      this.asked.set(digest, asked);
    }
    return asked.then((result) => this.held(result, token, { request, unixSeconds }));
  }

  /** The same token may come over another connection, and with another proof. */
  private held(
    result: AuthenticationResult,
    token: string,
    { request, unixSeconds }: { request: AuthenticationRequest; unixSeconds: number },
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const held = bound(result, request, this.config.binding);
    return this.possession.check(held, token, request, unixSeconds);
  }

  usesAuthorization(request: AuthenticationRequest): boolean {
    return this.credentials.usesAuthorization(request);
  }

  close(): Promise<void> {
    return this.caller.close();
  }

  private async ask(
    token: string,
    digest: string,
    unixSeconds: number,
  ): Promise<AuthenticationResult> {
    const answer = await this.caller.call({
      method: 'POST',
      headers: [
        ...['content-type', 'application/x-www-form-urlencoded'],
        ...['accept', 'application/json'],
        ...['authorization', this.clientCredentials],
      ],
      body: `token=${encodeURIComponent(token)}&token_type_hint=access_token`,
    });
    if (answer?.status !== 200) return NO_ANSWER;
    const claims = answer.body === null ? undefined : parseStrictObject(answer.body);
    if (claims === undefined) return NO_ANSWER;
    const result = this.judge(claims, unixSeconds);
    this.remember(digest, result, { unixSeconds, weight: answer.body?.length ?? 0 });
    return result;
  }

  private remember(
    digest: string,
    result: AuthenticationResult,
    { unixSeconds, weight }: { readonly unixSeconds: number; readonly weight: number },
  ): void {
    const cacheSeconds = this.config.cacheMs / 1000;
    if (result.verdict === 'accepted') {
      const { exp } = result.identity.claims;
      const end = typeof exp === 'number' ? exp : Number.POSITIVE_INFINITY;
      const expiresAt = Math.min(end, unixSeconds + cacheSeconds);
      this.accepted.set(digest, result, { expiresAt, weight });
    } else {
      const seconds = Math.min(cacheSeconds, INACTIVE_SECONDS_MAX);
      this.inactive.set(digest, result, { expiresAt: unixSeconds + seconds });
    }
  }

  private judge(
    claims: Readonly<Record<string, unknown>>,
    unixSeconds: number,
  ): AuthenticationResult {
    if (claims['active'] !== true) return INACTIVE;
    const problem = claimsProblem(claims, this.config, unixSeconds);
    if (problem !== null) return refused(problem.reason, problem.cause);
    const consumer = textOf(claimAt(claims, this.config.consumerClaim));
    const identity = makeIdentity(consumer, claims, this.config);
    return identity === undefined
      ? refused('a claim of the token is too long')
      : { verdict: 'accepted', identity };
  }
}

/** Encodes id and secret as form data before they are joined (RFC 6749 2.3.1). */
function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}
