/**
 * A plugin that finds out who calls.
 *
 * Thread: worker. One of the authenticators of its route, behind those that the configuration
 * names. A plugin that fails has found out nothing: its requests are refused, whatever onFailure
 * says.
 */
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  refused,
  unavailable,
} from '../../filters/authentication/authenticator.js';
import type { PluginCaller } from '../../plugins/plugin.js';
import { Exchange } from '../exchange/exchange.js';
import type { PluginInstance } from '../route/route-plugins.js';
import { answerOf } from './plugin-answer.js';
import { FAILED, isPromise, type PluginCalls } from './plugin-calls.js';
import { RequestFacade } from './request-facade.js';

const CONSUMER_CHARS_MAX = 256;
const NO_SCOPES: readonly string[] = [];

export class PluginAuthenticator implements Authenticator {
  readonly name: string;
  readonly challenge: string;
  readonly isBearer = false;
  readonly ownedFields = [];
  readonly stripsAuthorization = false;
  readonly readsAuthorization = true;

  constructor(
    private readonly calls: PluginCalls,
    private readonly instance: PluginInstance,
  ) {
    this.name = instance.plugin.name;
    this.challenge = `Plugin realm="${this.name}"`;
  }

  authenticate(
    exchange: AuthenticationRequest,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const { calls, instance } = this;
    const { authenticate } = instance.hooks;
    if (calls.isOut(instance)) calls.countSkipped(instance);
    if (calls.isOut(instance) || authenticate === undefined || !(exchange instanceof Exchange)) {
      return unavailable(`plugin ${this.name} is out`);
    }
    const request = new RequestFacade(exchange, this.name);
    request.end(false);
    const result = calls.call(instance, authenticate, request, undefined);
    if (!isPromise(result)) return this.resultOf(result);
    return new Promise((resolve) => {
      calls.wait(instance, result, (value) => resolve(this.resultOf(value)));
    });
  }

  private resultOf(found: unknown): AuthenticationResult {
    if (found === FAILED) return unavailable(`plugin ${this.name} has failed`);
    try {
      return resultOf(found);
    } catch (error) {
      this.calls.strike(this.instance, 'errors', { err: error });
      return unavailable(`plugin ${this.name} has failed`);
    }
  }
}

/** Throws where it is nothing that the hook may return. */
function resultOf(found: unknown): AuthenticationResult {
  if (found === undefined || found === null) return ABSENT;
  if (typeof found !== 'object')
    throw new TypeError('authenticate() returns an object, or nothing');
  const { consumer, claims = {}, scopes = NO_SCOPES, refuse, deny, reply } = found as PluginCaller;
  if (reply !== undefined) {
    const answer = answerOf(reply);
    if (answer !== null) return { verdict: 'answered', reply: answer, isFinal: true };
  }
  if (refuse !== undefined) return refused(String(refuse));
  if (deny !== undefined) return { verdict: 'denied', reason: String(deny) };
  if (typeof consumer !== 'string' || consumer === '' || consumer.length > CONSUMER_CHARS_MAX) {
    throw new TypeError(`a consumer is a text of 1 to ${CONSUMER_CHARS_MAX} characters`);
  }
  const identity = { consumer, claims, scopes: new Set(scopes), fields: [] };
  return { verdict: 'accepted', identity };
}
