/**
 * Asks a service about each request. The service's answer decides, and no answer in time means no.
 *
 * Thread: worker. Answers are not remembered: the service sees method, target and fields of every
 * request, and may decide by any of them.
 */
import { normalizePath } from '../../routing/normalize-path.js';
import {
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  refused,
  unavailable,
} from './authenticator.js';
import { type HttpAnswer, HttpCaller } from './http-caller.js';
import { encodeControls, makeIdentity } from './identity.js';
import type { CompiledForwardAuthenticator } from './options.js';

const FIELD_CHARS_MAX = 4096;

const REFUSED = refused('the authentication service does not let the caller in');
const DENIED: AuthenticationResult = {
  verdict: 'denied',
  reason: 'The authentication service does not allow it.',
};
const NO_ANSWER = unavailable('the authentication service does not answer');

export class ForwardAuthenticator implements Authenticator {
  readonly name: string;
  readonly challenge = 'Bearer realm="sluice"';
  readonly isBearer = false;
  readonly ownedFields: readonly string[];
  readonly stripsAuthorization: boolean;
  readonly readsAuthorization: boolean;

  private readonly caller: HttpCaller;

  constructor(private readonly config: CompiledForwardAuthenticator) {
    this.name = config.name;
    const claimFields = config.claimHeaders.map(([header]) => header);
    this.ownedFields = [...claimFields, ...config.responseHeaders];
    this.stripsAuthorization = !config.forwardCredentials;
    this.readsAuthorization = config.requestHeaders.includes('authorization');
    this.caller = new HttpCaller(config.url, config.timeoutMs);
  }

  authenticate(
    request: AuthenticationRequest,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const headers = [
      ...['x-forwarded-method', request.method],
      ...['x-forwarded-proto', request.scheme],
      ...['x-forwarded-host', request.fields.host],
      ...['x-forwarded-uri', routedTarget(request.target)],
      ...['x-forwarded-for', request.clientIp],
      ...['x-request-id', request.requestId],
    ];
    for (const name of this.config.requestHeaders) {
      // With several values the service might use one and the upstream another.
      const [value = '', second] = request.fields.values(name);
      if (second !== undefined) return refused(`the request has several fields ${name}`);
      if (value !== '') headers.push(name, value);
    }
    return this.ask(headers);
  }

  close(): Promise<void> {
    return this.caller.close();
  }

  private async ask(headers: string[]): Promise<AuthenticationResult> {
    const answer = await this.caller.call({ method: 'GET', headers });
    if (answer === undefined) return NO_ANSWER;
    const { status } = answer;
    if (status >= 200 && status < 300) return this.accept(answer);
    if (status === 401 || (status >= 300 && status < 400)) return REFUSED;
    return status >= 400 && status < 500 ? DENIED : NO_ANSWER;
  }

  private accept({ headers }: HttpAnswer): AuthenticationResult {
    const fields: string[] = [];
    for (const name of this.config.responseHeaders) {
      const value = fieldText(headers[name]);
      if (value.length > FIELD_CHARS_MAX) return NO_ANSWER;
      if (value !== '') fields.push(name, value);
    }
    const { consumerHeader } = this.config;
    const consumer = consumerHeader === '' ? '' : fieldText(headers[consumerHeader]);
    const claims = consumer === '' ? {} : { sub: consumer };
    const identity = makeIdentity(consumer, claims, this.config);
    if (identity === undefined) return NO_ANSWER;
    return {
      verdict: 'accepted',
      identity: { ...identity, fields: [...identity.fields, ...fields] },
    };
  }
}

/**
 * The target in the spelling that routes and upstream use, so that the service decides about what
 * will happen.
 */
function routedTarget(target: string): string {
  const mark = target.indexOf('?');
  if (mark === -1) return normalizePath(target, 'allow');
  return normalizePath(target.slice(0, mark), 'allow') + target.slice(mark);
}

function fieldText(value: string | string[] | undefined): string {
  return encodeControls(Array.isArray(value) ? value.join(', ') : (value ?? ''));
}
