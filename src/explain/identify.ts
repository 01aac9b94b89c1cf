/**
 * Finds out who the caller of an explained request is, as far as that is possible without asking
 * another service.
 *
 * Thread: supervisor (on the main thread). The worker's own phase judges the credentials, and the
 * caller's permissions.
 */

import type { Exchange } from '../worker/exchange/exchange.js';
import {
  type AuthenticationOutcome,
  AuthenticationPhase,
} from '../worker/identity/authentication-phase.js';
import type { WorkerRoute } from '../worker/route/worker-route.js';
import type { ExplainContext } from './explain-context.js';
import type { ExplainedRequest } from './explanation.js';
import { type Identity, type Refusal, refusalOf } from './findings.js';

export async function identify(
  { consumer }: ExplainedRequest,
  { authenticators }: WorkerRoute,
  exchange: Exchange,
  { moment }: ExplainContext,
): Promise<Identity> {
  if (authenticators.length === 0) {
    return { consumer: '', detail: 'the route is public', refusal: null };
  }
  if (consumer !== null) return { consumer, detail: `taken to be ${consumer}`, refusal: null };
  const outcome = await authenticate(exchange, moment.unixMs);
  if (outcome === 'next' && exchange.isAnonymous) {
    const detail = 'no credentials: anonymous, whom the route lets in';
    return { consumer: '', detail, refusal: null };
  }
  if (outcome === 'next') {
    const detail = `the credentials are those of ${exchange.consumer}`;
    return { consumer: exchange.consumer, detail, refusal: null };
  }
  const refusal = withLogin(refusalOf(outcome), authenticators);
  return { consumer: exchange.consumer, detail: refusal.detail, refusal };
}

/** A program gets 401 where a browser would be sent to a login: both are said. */
function withLogin(refusal: Refusal, authenticators: WorkerRoute['authenticators']): Refusal {
  const logins = authenticators.filter(({ login }) => login !== undefined);
  if (refusal.status !== 401 || logins.length === 0) return refusal;
  const names = logins.map(({ name }) => name).join(', ');
  const detail = `${refusal.detail} Browsers that ask for a page are sent to the login: ${names}.`;
  return { ...refusal, detail };
}

function authenticate(exchange: Exchange, unixMs: number): Promise<AuthenticationOutcome> {
  return new Promise((resolve, reject) => {
    const phase = new AuthenticationPhase(
      () => unixMs,
      (_, outcome) => resolve(outcome),
      (_, error) => reject(error),
    );
    const outcome = phase.run(exchange);
    if (outcome !== 'wait') resolve(outcome);
  });
}
