/**
 * Speaks OAuth 2.0 and OpenID Connect with one provider: discovery, the exchange of a code,
 * renewal, the revocation of a refresh token.
 *
 * Thread: supervisor (on the main thread). oauth4webapi has the protocol: which parameters are
 * sent, and what an answer may be. Invariant: secrets go to addresses only that the provider's own
 * document names and that are safe.
 */
import * as oauth from 'oauth4webapi';
import { isSafeUrl } from '../../base/safe-url.js';
import type { CompiledProvider } from '../../filters/authentication/options.js';
import { ProviderHttp } from './provider-http.js';
import { TokenRefusedError } from './provider-tokens.js';

export type ProviderDocument = oauth.AuthorizationServer;

/** The tokens of one answer; '' and 0: not there. */
export interface ProviderTokensFound {
  readonly idToken: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresIn: number;
}

/** Why a call came to nothing. */
export interface ProviderFailure {
  /** `refused`: the provider has said no, or something that must not be believed. */
  readonly kind: 'refused' | 'unavailable';
  /** An error code of OAuth, or ''. */
  readonly code: string;
  readonly cause: string;
}

const ENDPOINTS = [
  ...(['authorization_endpoint', 'token_endpoint'] as const),
  ...(['end_session_endpoint', 'revocation_endpoint'] as const),
];

export class ProviderClient {
  private readonly http: ProviderHttp;
  private readonly client: oauth.Client;
  private readonly authentication: oauth.ClientAuth;

  constructor(private readonly provider: CompiledProvider) {
    const { clientId, clientSecret, clientAuthentication, timeoutMs, clockSkewMs } = provider;
    this.http = new ProviderHttp(timeoutMs);
    this.client = { client_id: clientId, [oauth.clockTolerance]: clockSkewMs / 1000 };
    if (clientSecret === '') this.authentication = oauth.None();
    else if (clientAuthentication === 'post') {
      this.authentication = oauth.ClientSecretPost(clientSecret);
    } else this.authentication = oauth.ClientSecretBasic(clientSecret);
  }

  /** Rejects where there is no document of this issuer that could be used. */
  async discover(): Promise<ProviderDocument> {
    const { issuer, allowHttp } = this.provider;
    const url = new URL(issuer);
    const answer = await oauth.discoveryRequest(url, this.options);
    const document = await oauth.processDiscoveryResponse(url, answer);
    // OpenID Connect Discovery 1.0, 4.3: in every character.
    if (document.issuer !== issuer) throw new Error('the document is of another issuer');
    for (const name of ENDPOINTS) {
      const endpoint = document[name];
      if (endpoint !== undefined && !isSafeUrl(endpoint, allowHttp)) {
        throw new Error(`the document's ${name} is no URL that may be used`);
      }
    }
    if (document.authorization_endpoint === undefined || document.token_endpoint === undefined) {
      throw new Error('the document names no endpoint for logins');
    }
    return document;
  }

  /** `query`: of the request that the browser was sent back with (RFC 6749 4.1.2, RFC 9207). */
  async exchange(
    document: ProviderDocument,
    asked: {
      readonly query: string;
      readonly state: string;
      readonly nonce: string;
      readonly verifier: string;
      readonly redirectUri: string;
    },
  ): Promise<ProviderTokensFound> {
    const { client, authentication, options } = this;
    const parameters = oauth.validateAuthResponse(
      document,
      client,
      new URLSearchParams(asked.query),
      asked.state,
    );
    const answer = await oauth.authorizationCodeGrantRequest(
      document,
      client,
      authentication,
      parameters,
      asked.redirectUri,
      asked.verifier,
      options,
    );
    const expectedNonce = asked.nonce;
    const rules = { expectedNonce, requireIdToken: true };
    return found(await oauth.processAuthorizationCodeResponse(document, client, answer, rules));
  }

  async refresh(document: ProviderDocument, refreshToken: string): Promise<ProviderTokensFound> {
    const { client, authentication, options } = this;
    const answer = await oauth.refreshTokenGrantRequest(
      document,
      client,
      authentication,
      refreshToken,
      options,
    );
    return found(await oauth.processRefreshTokenResponse(document, client, answer));
  }

  /** RFC 7009. */
  async revoke(document: ProviderDocument, token: string): Promise<void> {
    const { client, authentication, options } = this;
    const answer = await oauth.revocationRequest(document, client, authentication, token, options);
    await oauth.processRevocationResponse(answer);
  }

  close(): Promise<void> {
    return this.http.close();
  }

  private get options() {
    return {
      [oauth.customFetch]: (
        url: string,
        call: oauth.CustomFetchOptions<string, unknown>,
      ): Promise<Response> => this.http.fetch(url, call),
      // Addresses were checked: plain HTTP is for this machine, or was asked for.
      [oauth.allowInsecureRequests]: true,
    };
  }
}

function found(answer: oauth.TokenEndpointResponse): ProviderTokensFound {
  return {
    idToken: answer.id_token ?? '',
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token ?? '',
    expiresIn: answer.expires_in ?? 0,
  };
}

/** Errors of a provider that tell of its state, and nothing of what it was asked. */
const PASSING: ReadonlySet<string> = new Set([
  ...['server_error', 'temporarily_unavailable', 'slow_down'],
]);
/** An answer with one of these was not made by a provider that works. */
const GARBLED: ReadonlySet<string> = new Set([
  oauth.PARSE_ERROR,
  oauth.RESPONSE_IS_NOT_JSON,
  oauth.RESPONSE_IS_NOT_CONFORM,
]);

/** What an error of one of the calls means. */
export function failureOf(error: unknown): ProviderFailure {
  if (error instanceof TokenRefusedError) {
    return { kind: 'refused', code: '', cause: error.message };
  }
  const isBody = error instanceof oauth.ResponseBodyError;
  if (isBody || error instanceof oauth.AuthorizationResponseError) {
    const code = plain(error.error);
    const isPassing = PASSING.has(code) || (isBody && error.status >= 500);
    const cause = `${code} ${plain(error.error_description ?? '')}`.trim();
    return { kind: isPassing ? 'unavailable' : 'refused', code, cause };
  }
  if (error instanceof oauth.OperationProcessingError) {
    const { code = '', message } = error;
    const kind = GARBLED.has(code) ? 'unavailable' : 'refused';
    return { kind, code: '', cause: plain(message) };
  }
  return { kind: 'unavailable', code: '', cause: networkCause(error) };
}

function networkCause(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error.name === 'TimeoutError') return 'no answer in time';
  const { cause } = error;
  if (cause instanceof Error) return plain(Reflect.get(cause, 'code') ?? cause.message);
  return plain(error.message);
}

/** What a stranger has written, for a log and a page. */
function plain(text: unknown): string {
  return String(text)
    .replace(/[^ -~]/g, '?')
    .slice(0, 200);
}
