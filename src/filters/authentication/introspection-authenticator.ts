/**
 * Asks the server that issued a bearer token whether the token is valid (RFC 7662).
 *
 * Thread: worker. Owns a bounded number of remembered answers, each for a short time and at most
 * until the token's `exp`. Requests that bring the same token at the same time share one question.
 */
import { type AuthenticationResult, type Claims, refused, unavailable } from './authenticator.js';
import { BearerAuthenticator } from './bearer-authenticator.js';
import { NO_PROOFS, type ProofFeed } from './dpop/proof-feed.js';
import { ExpiringMemory } from './expiring-memory.js';
import { HttpCaller } from './http-caller.js';
import type { CompiledIntrospectionAuthenticator as Config } from './options.js';
import { parseStrictObject } from './strict-json.js';

const REMEMBERED_MAX = 4096;
/** Characters of all answers that are remembered. */
const REMEMBERED_CHARS_MAX = 16 * 1024 * 1024;
/** An answer of "not active" is remembered for at most this time. */
const INACTIVE_SECONDS_MAX = 10;

const INACTIVE = refused('the token is not active');
const NO_ANSWER = unavailable('the server that checks tokens does not answer');

export class IntrospectionAuthenticator extends BearerAuthenticator<Config> {
  private readonly caller: HttpCaller;
  private readonly clientCredentials: string;
  private readonly accepted = new ExpiringMemory<AuthenticationResult>(
    REMEMBERED_MAX,
    REMEMBERED_CHARS_MAX,
  );
  /** Separate from accepted tokens, so that invented tokens do not push these out. */
  private readonly inactive = new ExpiringMemory<AuthenticationResult>(REMEMBERED_MAX);
  private readonly asked = new Map<string, Promise<AuthenticationResult>>();

  constructor(config: Config, proofs: ProofFeed = NO_PROOFS) {
    super(config, proofs);
    this.caller = new HttpCaller(config.url, config.timeoutMs);
    const pair = [config.clientId, config.clientSecret].map(formEncode).join(':');
    this.clientCredentials = `Basic ${Buffer.from(pair).toString('base64')}`;
  }

  protected override resultOf(
    token: string,
    digest: string,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const known = this.accepted.get(digest, unixSeconds) ?? this.inactive.get(digest, unixSeconds);
    if (known !== undefined) return known;
    let asked = this.asked.get(digest);
    if (asked === undefined) {
      asked = this.ask(token, digest, unixSeconds).finally(() => this.asked.delete(digest));
      this.asked.set(digest, asked);
    }
    return asked;
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

  private judge(claims: Claims, unixSeconds: number): AuthenticationResult {
    return claims['active'] === true ? this.judgeClaims(claims, unixSeconds) : INACTIVE;
  }
}

/** Encodes id and secret as form data before they are joined (RFC 6749 2.3.1). */
function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}
