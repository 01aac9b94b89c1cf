/**
 * Reads an explained request as the gateway reads one, and finds its route.
 *
 * Thread: acceptor.
 */
import { refusalDetail } from '../acceptor/refusal-detail.js';
import { RequestGuard } from '../acceptor/request-guard.js';
import { defined } from '../base/assert.js';
import type { ProblemKind } from '../base/problems.js';
import { RequestIdSource } from '../base/request-id.js';
import { StartupError } from '../base/startup-error.js';
import { PLAIN_CONNECTION, PROTOCOL_HTTP_1_1 } from '../channel/records/request-head.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import { Exchange } from '../worker/exchange/exchange.js';
import type { WorkerEpoch } from '../worker/worker-epoch.js';
import type { ExplainedRequest } from './explanation.js';
import { type Refusal, refusalOf, refuse } from './findings.js';

export interface Located {
  readonly exchange: Exchange;
  /** The normalised path; empty: the path is refused. */
  readonly path: string;
  readonly refusal: Refusal | null;
}

export function locate(
  request: ExplainedRequest,
  { config, epoch }: { readonly config: ServedConfig; readonly epoch: WorkerEpoch },
): Located {
  const parts = [
    request.method,
    request.target,
    request.from,
    PLAIN_CONNECTION,
    ...request.fields.flat(),
  ];
  const record = {
    index: 0,
    generation: 1,
    receivedMs: 0,
    bodyBytes: 0,
    isComplete: true,
    expectsContinue: false,
    protocol: PROTOCOL_HTTP_1_1,
    listener: listenerRow(request, config),
    parts,
  };
  const head = epoch.matcher.readHead(record, new RequestIdSource('explain'));
  const exchange = new Exchange(record, head, epoch, () => {});
  const guarded = judgeHead(request, config);
  if (guarded !== null) {
    return { exchange, path: '', refusal: refuse(guarded, refusalDetail(guarded)) };
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
  return `there is no listener "${listener}": there are ${names.join(', ')}`;
}

/** @throws StartupError when there is no listener of the name. */
function listenerRow(request: ExplainedRequest, config: ServedConfig): number {
  const problem = listenerProblem(request, config);
  if (problem !== '') throw new StartupError(problem);
  const { listener } = request;
  const found = config.listeners.find(({ name }) => listener === '' || name === listener);
  return defined(found, 'a listener that was looked for').index;
}

function judgeHead(request: ExplainedRequest, config: ServedConfig): ProblemKind | null {
  const guard = new RequestGuard(config.limits, 'forward');
  guard.begin(request.method, request.target);
  for (const [name, value] of request.fields) guard.field(name, value);
  return guard.finish();
}
