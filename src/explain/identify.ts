/**
 * Who the caller of an explained request is, as far as that can be told without asking anybody.
 *
 * Thread: acceptor. Credentials are judged by the authenticators themselves.
 */
import { PROBLEMS } from '../base/gateway-error.js';
import type { Exchange } from '../worker/exchange.js';
import type { WorkerRoute } from '../worker/worker-route.js';
import type { ExplainedRequest } from './explanation.js';
import type { Identity } from './findings.js';

export async function identify(
  { consumer }: ExplainedRequest,
  { authenticators }: WorkerRoute,
  { fields }: Exchange,
  unixSeconds: number,
): Promise<Identity> {
  const given = consumer ?? '';
  if (authenticators.length === 0) {
    return { consumer: '', detail: 'the route is public', refusal: null };
  }
  if (consumer !== null) {
    return { consumer: given, detail: `taken to be ${given}`, refusal: null };
  }
  const names = authenticators.map(({ name }) => name).join(', ');
  if (fields.authorizationCount > 1) return refused(names, 'there are several of them');
  let reason = '';
  for (const authenticator of authenticators) {
    const result = await authenticator.authenticate(fields.authorization, unixSeconds);
    if (result.verdict === 'accepted') {
      const detail = `${authenticator.name} says that it is ${result.consumer}`;
      return { consumer: result.consumer, detail, refusal: null };
    }
    if (result.verdict === 'refused') reason = result.reason;
  }
  return refused(names, reason);
}

function refused(names: string, reason: string): Identity {
  const detail =
    reason === ''
      ? `This route needs credentials for one of: ${names}.`
      : `The credentials are refused: ${reason}.`;
  return { consumer: '', detail, refusal: { problem: PROBLEMS.unauthorized, status: 401, detail } };
}
