/**
 * Asks a service about each request. The service's answer decides, and no answer in time means no.
 *
 * Thread: worker. Answers are not remembered: the service sees method, target and fields of every
 * request, and may decide by any of them. What it says when it does not let a request in goes to
 * the client (service-answer.ts), so that a browser finds its login page.
 */
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import {
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  refused,
  unavailable,
} from './authenticator.js';
import { mayBeKnown } from './forward-credentials.js';
import { type HttpAnswer, HttpCaller } from './http-caller.js';
import { makeIdentity } from './identity.js';
import type { CompiledForwardAuthenticator } from './options.js';
import { answerForClient, valuesOf } from './service-answer.js';

const FIELD_CHARS_MAX = 64 * 1024;

/** Fields whose values are one list, wherever they stand (RFC 9110 section 5.3). */
const LIST_FIELDS: ReadonlySet<string> = new Set(['accept', 'accept-language']);

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
      ...['x-forwarded-uri', request.routedTarget],
      ...['x-forwarded-for', request.clientIp],
      ...['x-request-id', request.requestId],
    ];
    for (const name of this.config.requestHeaders) {
      // With several values the service might use one and the upstream another.
      const values = request.fields.values(name);
      if (values.length > 1 && !LIST_FIELDS.has(name)) {
        return refused(`the request has several fields ${name}`);
      }
      const value = values.join(', ');
      if (value !== '') headers.push(name, value);
    }
    return this.ask(headers);
  }

  hasCredentials(request: AuthenticationRequest): boolean {
    return mayBeKnown(this.config, request);
  }

  close(): Promise<void> {
    return this.caller.close();
  }

  private async ask(headers: string[]): Promise<AuthenticationResult> {
    const answer = await this.caller.call({ method: 'GET', headers });
    if (answer === undefined) return NO_ANSWER;
    const { status } = answer;
    if (status >= 200 && status < 300) return this.accept(answer);
    // A page that a browser has stored is no answer about who calls.
    if (status === 304 || status >= 500) return NO_ANSWER;
    const isFinal = status >= 400 && status !== 401;
    const reply = answerForClient(answer, this.config.clientHeaders);
    return { verdict: 'answered', reply, isFinal };
  }

  private accept({ headers }: HttpAnswer): AuthenticationResult {
    const fields: string[] = [];
    for (const name of this.config.responseHeaders) {
      const value = valuesOf(headers, name).join(', ');
      if (value.length > FIELD_CHARS_MAX) return NO_ANSWER;
      if (value !== '') fields.push(name, value);
    }
    const { consumerHeader } = this.config;
    const consumer = consumerHeader === '' ? '' : valuesOf(headers, consumerHeader).join(', ');
    const claims = consumer === '' ? {} : { sub: consumer };
    const identity = makeIdentity(consumer, claims, this.config);
    if (identity === undefined) return NO_ANSWER;
    const replyFields = this.fieldsForClient(headers);
    return {
      verdict: 'accepted',
      identity: { ...identity, fields: [...identity.fields, ...fields], replyFields },
    };
  }

  private fieldsForClient(headers: HttpAnswer['headers']): FieldBlock {
    let block = NO_FIELDS;
    for (const name of this.config.clientHeaders) {
      for (const value of valuesOf(headers, name)) block = joinFields(block, field(name, value));
    }
    return block;
  }
}
