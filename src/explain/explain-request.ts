/**
 * Takes a request through the gateway's own decisions, without sending anything.
 *
 * Thread: acceptor. The code that handles real requests judges guard, paths, routes, filters,
 * credentials, keys, limits and targets; it changes only a copy.
 */
import { parseTemplate } from '../base/template-text.js';
import type { EditStep } from '../filters/filter.js';
import { redactQuery } from '../observability/redact-query.js';
import type { Exchange } from '../worker/exchange/exchange.js';
import { rewritePath, type WorkerRoute } from '../worker/route/worker-route.js';
import { showAnswer } from './answer-steps.js';
import { listCandidates } from './candidates.js';
import { decide, NOTHING_DECIDED } from './decide.js';
import type { ExplainContext } from './explain-context.js';
import type { ExplainedRequest, Explanation, Outcome } from './explanation.js';
import { type Findings, type Refusal, refusalOf } from './findings.js';
import { identify } from './identify.js';
import { locate } from './locate.js';
import { routeSteps } from './route-steps.js';

export async function explainRequest(
  request: ExplainedRequest,
  context: ExplainContext,
): Promise<Explanation> {
  const { exchange, path, refusal } = locate(request, context);
  const { route, method, clientIp } = exchange;
  const chosen = route?.config;
  const found =
    path === ''
      ? { shown: [], othersCount: 0 }
      : listCandidates(context.config.routes, chosen, { method, path });
  const head = {
    isLive: context.memory !== null,
    configEpoch: context.config.epoch,
    route: chosen?.name ?? '',
    upstream: route?.upstream?.name ?? '',
    authenticate: route?.authenticators.map(({ name }) => name) ?? [],
    candidates: found.shown,
    othersCount: found.othersCount,
  };
  const shown = { method, path, clientIp, consumer: '' };
  if (route === null || refusal !== null) {
    const nothing = { steps: [], limits: [], targets: [] };
    const outcome = refusal === null ? forwardedTo('', exchange, route) : outcomeOf(refusal);
    return { ...head, request: shown, ...nothing, outcome };
  }
  const findings = await judge(request, context, exchange, route);
  const steps = routeSteps(route, findings);
  const { limits, targets, picked } = findings.decided;
  const stopped = firstReplyOf(findings);
  return {
    ...head,
    request: { ...shown, consumer: exchange.consumer },
    steps,
    limits,
    targets,
    outcome: stopped === null ? forwardedTo(picked, exchange, route) : outcomeOf(stopped),
  };
}

/** Runs all phases in the order of the pipeline, even after one that refuses. */
async function judge(
  request: ExplainedRequest,
  context: ExplainContext,
  exchange: Exchange,
  route: WorkerRoute,
): Promise<Findings> {
  const { entrySteps, editSteps } = route.filters;
  const entry = firstReply(entrySteps, exchange);
  const identity = await identify(request, route, exchange, context);
  exchange.identify({ ...exchange.identity, consumer: identity.consumer });
  const decided =
    route.upstream === null
      ? NOTHING_DECIDED
      : decide(exchange, route, route.upstream, { context, repeat: request.repeat });
  const edit = route.answer.isEdited ? firstReply(editSteps, exchange) : null;
  // Before anything is said of where the request goes.
  if (context.memory !== null) hideSetValues(exchange, route);
  return { entry, identity, decided, edit, answer: showAnswer(route, exchange) };
}

function firstReply(steps: readonly EditStep[], exchange: Exchange): Refusal | null {
  for (const step of steps) {
    const reply = step(exchange);
    if (reply !== null) return refusalOf(reply);
  }
  return null;
}

/**
 * The reply that ends the request in the gateway: the first refusal, or else an answer of the
 * route.
 */
function firstReplyOf({ entry, identity, decided, edit, answer }: Findings): Refusal | null {
  return entry ?? identity.refusal ?? decided.refusal ?? edit ?? answer.reply;
}

/**
 * A caller of the running gateway may not know its configuration, so set values are hidden: one may
 * be a secret.
 */
function hideSetValues(exchange: Exchange, route: WorkerRoute): void {
  const { set = [], add = [] } = route.config.filters.transformation?.query ?? {};
  const written = [...set, ...add].filter(([, text]) => !isSourceOnly(text));
  const names = new Set(written.map(([name]) => name.toLowerCase()));
  exchange.rewrittenTarget = redactQuery(exchange.rewrittenTarget, names);
}

/** Whether the template only repeats values of the request, which the caller has sent. */
function isSourceOnly(text: string): boolean {
  const parsed = parseTemplate(text);
  return parsed.isValid && parsed.parts.every((part) => typeof part === 'object');
}

function forwardedTo(target: string, exchange: Exchange, route: WorkerRoute | null): Outcome {
  const path = route === null ? exchange.path : rewritePath(route, exchange.path);
  const upstreamTarget = exchange.rewrittenTarget || path + exchange.query;
  return { kind: 'forwarded', target, upstreamTarget };
}

function outcomeOf({ problem, status, detail }: Refusal): Outcome {
  if (problem === null) return { kind: 'answered', status, detail };
  const { code, part } = problem;
  return { kind: 'refused', status, code, part, detail };
}
