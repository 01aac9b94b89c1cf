/**
 * Takes a request through the gateway's own decisions, without sending anything.
 *
 * Thread: supervisor (on the main thread). The code that handles real requests judges guard, paths,
 * routes, filters, credentials, keys, limits and targets; it changes only a copy.
 */
import { firstValueOf } from '../base/field-block.js';
import { type GrpcStatusName, grpcStatusName, grpcStatusOfRefusal } from '../base/grpc-status.js';
import type { ProblemKind } from '../base/problems.js';
import type { Exchange } from '../worker/exchange/exchange.js';
import { RoutedView } from '../worker/request/routed-view.js';
import { pathForTarget, type WorkerRoute } from '../worker/route/worker-route.js';
import type { GivenReply } from './cache-copy.js';
import { cacheShown } from './cache-step.js';
import { listCandidates } from './candidates.js';
import type { ExplainContext } from './explain-context.js';
import type { ExplainedRequest, Explanation, Outcome, Step } from './explanation.js';
import type { Refusal, StepFound } from './findings.js';
import { locate } from './locate.js';
import { judgePhases } from './phase-steps.js';

const REDIRECTS_BEGIN = 300;

/** `given`: what the target replies, where that is assumed: it may be stored. */
export async function explainRequest(
  request: ExplainedRequest,
  context: ExplainContext,
  given: GivenReply | null = null,
): Promise<Explanation> {
  const { exchange, path, refusal } = locate(request, context);
  const { route, method, clientIp } = exchange;
  const chosen = route?.config;
  const found =
    path === ''
      ? { shown: [], othersCount: 0 }
      : listCandidates(context.config.routes, chosen, {
          method,
          path,
          routed: new RoutedView().of(exchange.head),
        });
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
    const nothing = { steps: [], cache: null, limits: [], targets: [] };
    const outcome =
      refusal === null ? forwardedTo('', exchange, route) : outcomeOf(refusal, exchange);
    return { ...head, request: shown, ...nothing, outcome };
  }
  const { steps, decided } = await judgePhases({ request, context, exchange, route });
  // A side may have taken its place.
  const taken = exchange.route ?? route;
  const { limits, targets, picked } = decided;
  const reply = steps.find((step) => step.reply !== null)?.reply ?? null;
  const { cache, moment } = context;
  if (reply === null && given !== null) cache.take(exchange, given, moment);
  const looked = cache.foundFor(exchange);
  return {
    ...head,
    upstream: taken.upstream?.name ?? '',
    request: { ...shown, consumer: exchange.consumer },
    steps: shownSteps(steps),
    cache: looked === undefined ? null : cacheShown({ exchange, route, looked, now: moment }),
    limits,
    targets,
    outcome: reply === null ? forwardedTo(picked, exchange, taken) : outcomeOf(reply, exchange),
  };
}

/** The first step with a reply ends the request: those behind it are not reached. */
function shownSteps(found: readonly StepFound[]): Step[] {
  const last = found.findIndex(({ reply }) => reply !== null);
  return found.map(({ step, detail, reply }, at) => {
    if (last !== -1 && at > last) return { step, result: 'notReached', detail };
    if (reply === null) return { step, result: 'passes', detail };
    return { step, result: reply.problem === null ? 'answers' : 'refuses', detail };
  });
}

function forwardedTo(target: string, exchange: Exchange, route: WorkerRoute | null): Outcome {
  const path = route === null ? exchange.path : pathForTarget(route, exchange.head);
  const upstreamTarget = exchange.rewrittenTarget || path + exchange.query;
  return { kind: 'forwarded', target, upstreamTarget };
}

function outcomeOf({ problem, status, detail }: Refusal, exchange: Exchange): Outcome {
  const grpc = grpcStatusFor(exchange, problem === null && status < REDIRECTS_BEGIN ? 0 : status);
  if (problem === null) return { kind: 'answered', status, detail, ...grpc };
  const { code, part } = problem;
  const refused = { kind: 'refused', status, code, part, detail } as const;
  if (grpc !== null) return { ...refused, ...grpc };
  const bodyType = bodyTypeOf(problem, exchange);
  return { ...refused, ...(bodyType !== '' && { bodyType }) };
}

/** null: the client does not speak gRPC, or is not refused (0). */
function grpcStatusFor(
  { grpc }: Exchange,
  refusedWith: number,
): { readonly grpcStatus: GrpcStatusName } | null {
  if (grpc === null || !grpc.isClients || refusedWith === 0) return null;
  return { grpcStatus: grpcStatusName(grpcStatusOfRefusal(refusedWith)) };
}

/** '': a problem document. */
function bodyTypeOf(kind: ProblemKind, { head, route, epoch }: Exchange): string {
  const accept = head.fields.values('accept').join(',');
  const refused = { kind, detail: '', requestId: '', accept };
  const page = epoch?.errorPages?.pageFor(refused, route?.config.errors) ?? null;
  return page === null ? '' : firstValueOf(page.fields, 'content-type');
}
