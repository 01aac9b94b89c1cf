/**
 * Knows senders of webhooks by an HMAC of the body.
 *
 * Thread: worker. The pipeline collects the body first, up to a bound, and only where a request has
 * a signature. Each secret is tried with each signature, in the same time for any content.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { defined } from '../../../base/assert.js';
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  refused,
} from '../authenticator.js';
import { makeIdentity } from '../identity.js';
import type { CompiledHmacAuthenticator } from '../options.js';
import { SignedRequestAuthenticator } from '../signed-requests.js';
import { hasSignature, signatureOf } from './webhook-formats.js';

const STANDARD_PREFIX = 'whsec_';
const MALFORMED = refused('the signature is malformed, or there are several');
const NOT_OURS = refused('the signature is not that of the body');

export class HmacAuthenticator extends SignedRequestAuthenticator {
  readonly challenge = 'HMAC realm="sluice"';

  private readonly keys: readonly Buffer[];
  private readonly accepted: AuthenticationResult;

  constructor(private readonly config: CompiledHmacAuthenticator) {
    super(config);
    const { consumer, scopes, secrets, format } = config;
    this.keys = secrets.map((secret) =>
      format === 'standard' && secret.startsWith(STANDARD_PREFIX)
        ? Buffer.from(secret.slice(STANDARD_PREFIX.length), 'base64')
        : Buffer.from(secret, 'utf8'),
    );
    const claims = { sub: consumer, scope: scopes.join(' ') };
    const identity = defined(makeIdentity(consumer, claims, config), 'the identity of a sender');
    this.accepted = { verdict: 'accepted', identity };
  }

  hasCredentials(request: AuthenticationRequest): boolean {
    return hasSignature(request, this.config);
  }

  authenticate(request: AuthenticationRequest, unixSeconds: number): AuthenticationResult {
    const found = signatureOf(request, this.config);
    if (found === null) return ABSENT;
    if (found === undefined) return MALFORMED;
    const { prefix, signatures, sentAt } = found;
    if (!this.isSigned(prefix, request.wholeBody(), signatures)) return NOT_OURS;
    if (sentAt === null) return this.accepted;
    const age = unixSeconds - sentAt;
    if (Math.abs(age) <= this.config.toleranceMs / 1000) return this.accepted;
    const cause = `it was sent ${Math.round(age)} s ago, by the clock of its sender`;
    return refused('the signature is too old, or of a time to come', cause);
  }

  private isSigned(prefix: string, body: Buffer, signatures: readonly Buffer[]): boolean {
    let isSigned = false;
    for (const key of this.keys) {
      const own = createHmac(this.config.algorithm, key).update(prefix).update(body).digest();
      for (const signature of signatures) {
        // Lengths are no secret; contents are compared in the same time.
        if (signature.length === own.length && timingSafeEqual(signature, own)) isSigned = true;
      }
    }
    return isSigned;
  }
}
