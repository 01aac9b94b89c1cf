/**
 * Where a listener sends requests that are to come by https.
 *
 * Thread: acceptor. Challenges of ACME are not sent anywhere: whoever looks at them does not ask by
 * https (RFC 8555 8.3).
 */
import { type FieldBlock, field, NO_FIELDS } from '../base/field-block.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import type { ClientRequest } from './client-engine.js';
import { valuesIn } from './head-facts.js';

/** Nothing else: what only begins like one may come to another path once its dots are resolved. */
const CHALLENGE = /^\/\.well-known\/acme-challenge\/[A-Za-z0-9_-]+$/;
const HTTPS_PORT = 443;
const PORT_OF_HOST = /:\d*$/;

/** The answer that sends a request to https. */
export interface Redirection {
  readonly problem: ProblemKind;
  readonly fields: FieldBlock;
}

type RedirectedHead = Pick<ClientRequest, 'target' | 'text'>;

const NO_HOST: Redirection = { problem: PROBLEMS.badHost, fields: NO_FIELDS };

/** null: the request goes its usual way. `port`: of https; 0: nobody is sent there. */
export function redirection(request: RedirectedHead, port: number): Redirection | null {
  if (port === 0 || CHALLENGE.test(request.target)) return null;
  const location = httpsUrl(request, port);
  if (location === '') return NO_HOST;
  return { problem: PROBLEMS.httpsRequired, fields: field('Location', location) };
}

/** The same URL with https; '': the request does not say which host it means. */
function httpsUrl({ target, text }: RedirectedHead, port: number): string {
  const [host = ''] = valuesIn(text, 'host');
  const name = host.replace(PORT_OF_HOST, '');
  if (name === '') return '';
  const authority = port === HTTPS_PORT ? name : `${name}:${port}`;
  return `https://${authority}${target === '*' ? '/' : target}`;
}
