/**
 * Reads an explained request as the gateway reads one, and finds its route.
 *
 * Thread: supervisor (on the main thread).
 */
import { redirection } from '../acceptor/https-redirect.js';
import { refusalDetail } from '../acceptor/refusal-detail.js';
import { defined } from '../base/assert.js';
import { RequestIdSource } from '../base/request-id.js';
import { StartupError } from '../base/startup-error.js';
import { PROTOCOL_HTTP_1_1 } from '../channel/records/request-head.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import { Exchange } from '../worker/exchange/exchange.js';
import type { ExplainContext } from './explain-context.js';
import type { ExplainedRequest } from './explanation.js';
import { type Refusal, refusalOf, refuse } from './findings.js';
import { judgeHead } from './judge-head.js';

export interface Located {
  readonly exchange: Exchange;
  /** The normalised path; empty: the path is refused. */
  readonly path: string;
  readonly refusal: Refusal | null;
}

export function locate(
  request: ExplainedRequest,
  { config, epoch, engineOf }: Pick<ExplainContext, 'config' | 'epoch' | 'engineOf'>,
): Located {
  const listener = listenerOf(request, config);
  const { limits } = config;
  const place = { limits, listener, engine: engineOf(listener) };
  const { text, problem, wantsTunnel } = judgeHead(request, place);
  const parts = text.split('\n');
  const record = {
    index: 0,
    generation: 1,
    receivedMs: 0,
    bodyBytes: 0,
    isComplete: true,
    expectsContinue: false,
    wantsTunnel,
    protocol: PROTOCOL_HTTP_1_1,
    listener: listener.index,
    parts,
  };
  const head = epoch.matcher.readHead(record, new RequestIdSource('explain'));
  const exchange = new Exchange(record, head, epoch, () => {});
  const { target } = head;
  const kind = problem ?? redirection({ target, text }, portOfHttps(listener))?.problem ?? null;
  if (kind !== null) {
    return { exchange, path: '', refusal: refuse(kind, refusalDetail(kind)) };
  }
  const reply = epoch.matcher.match(exchange);
  return { exchange, path: head.routedPath, refusal: reply === null ? null : refusalOf(reply) };
}

/** What is wrong with the listener that a request is to come to; '': nothing. */
export function listenerProblem(
  { listener }: ExplainedRequest,
  { listeners }: Pick<ServedConfig, 'listeners'>,
): string {
  const names = listeners.map(({ name }) => name);
  if (listener === '' || names.includes(listener)) return '';
  return `there is no listener "${listener}"; known: ${names.join(', ')}`;
}

/** @throws StartupError when there is no listener of the name. */
function listenerOf(request: ExplainedRequest, config: ServedConfig): ListenerSettings {
  const problem = listenerProblem(request, config);
  if (problem !== '') throw new StartupError(problem);
  const { listener } = request;
  const found = config.listeners.find(({ name }) => listener === '' || name === listener);
  return defined(found, 'a listener that was looked for');
}

/** 0: requests of the listener are sent nowhere. */
function portOfHttps({ redirectToHttps }: ListenerSettings): number {
  return redirectToHttps?.port ?? 0;
}
