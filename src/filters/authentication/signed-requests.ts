/**
 * What authenticators of signed requests have in common: credentials are a signature, which is of
 * use for one request only, so that targets may see it.
 *
 * Thread: worker.
 */
import type {
  AuthenticationRequest,
  AuthenticationResult,
  Authenticator,
} from './authenticator.js';
import type { CompiledHmacAuthenticator, CompiledHttpSignatureAuthenticator } from './options.js';

export abstract class SignedRequestAuthenticator implements Authenticator {
  readonly name: string;
  abstract readonly challenge: string;
  readonly isBearer = false;
  readonly ownedFields: readonly string[];
  readonly stripsAuthorization = false;
  readonly readsAuthorization = false;
  readonly bodyBytesMax: number;

  constructor({
    name,
    claimHeaders,
    bodyBytesMax,
  }: CompiledHmacAuthenticator | CompiledHttpSignatureAuthenticator) {
    this.name = name;
    this.bodyBytesMax = bodyBytesMax;
    this.ownedFields = claimHeaders.map(([header]) => header);
  }

  abstract hasCredentials(request: AuthenticationRequest): boolean;

  abstract authenticate(
    request: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult>;
}
