/**
 * Takes a request through the gateway's own decisions, without sending anything.
 *
 * Thread: acceptor. Guard, paths, routes, credentials, keys, limits and targets are judged by the
 * code that judges them in earnest; what it would change is a copy.
 */
import { RequestGuard } from '../acceptor/request-guard.js';
import { standingOf } from '../admin/target-standing.js';
import { defined } from '../base/assert.js';
import { PROBLEMS, type ProblemKind } from '../base/gateway-error.js';
import { HalfSipHash } from '../base/half-sip-hash.js';
import { byRow } from '../base/rows.js';
import type { CoordinatorMemory } from '../channel/coordinator-memory.js';
import { addLimit, createAskFields, VERDICT_ADMITTED } from '../channel/coordinator-records.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { normalizePath } from '../routing/normalize-path.js';
import { METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND } from '../routing/route-table.js';
import { Exchange } from '../worker/exchange.js';
import { limiterKeys } from '../worker/limiter-keys.js';
import { TargetPreference } from '../worker/target-preference.js';
import { RequestFields } from '../worker/upstream/request-fields.js';
import { detailOfVerdict, problemOfVerdict } from '../worker/verdict-problem.js';
import type { WorkerEpoch } from '../worker/worker-epoch.js';
import { rewritePath, type WorkerRoute } from '../worker/worker-route.js';
import { listCandidates } from './candidates.js';
import { CoordinatorTwin, type LimitKey } from './coordinator-twin.js';
import type {
  ExplainedRequest,
  Explanation,
  LimitShown,
  Outcome,
  TargetShown,
} from './explanation.js';
import type { Decided, Refusal } from './findings.js';
import { identify } from './identify.js';
import { limitKeyText, routeSteps } from './route-steps.js';

/** What the explanation is of. */
export interface ExplainContext {
  readonly config: CompiledConfig;
  readonly epoch: WorkerEpoch;
  /** Of the coordinator that runs; null: as if nobody had asked for anything. */
  readonly memory: CoordinatorMemory | null;
  /** The key that workers hash limiter keys with. */
  readonly hashKey: readonly [number, number];
  /** On the monotonic clock. */
  readonly nowMs: number;
  readonly unixSeconds: number;
}

interface Located {
  readonly exchange: Exchange;
  readonly route: WorkerRoute | null;
  readonly refusal: Refusal | null;
}

export async function explainRequest(
  request: ExplainedRequest,
  context: ExplainContext,
): Promise<Explanation> {
  const located = locate(request, context);
  const { exchange, route } = located;
  const chosen = route?.config;
  const found =
    exchange.path === ''
      ? { shown: [], othersCount: 0 }
      : listCandidates(context.config.routes, chosen, exchange);
  const head = {
    isLive: context.memory !== null,
    configEpoch: context.config.epoch,
    route: chosen?.name ?? '',
    upstream: route?.upstream.name ?? '',
    authenticate: route?.authenticators.map(({ name }) => name) ?? [],
    candidates: found.shown,
    othersCount: found.othersCount,
  };
  if (route === null || located.refusal !== null) {
    const refusal = located.refusal ?? refuse(PROBLEMS.routeNotFound, 'No route takes this path.');
    const nothing = { steps: [], limits: [], targets: [] };
    return { ...head, request: shownOf(exchange), ...nothing, outcome: outcomeOf(refusal) };
  }
  const identity = await identify(request, route, exchange, context.unixSeconds);
  exchange.consumer = identity.consumer;
  const decided = decide(exchange, route, context, request.repeat);
  const refusal = identity.refusal ?? decided.refusal;
  const steps = routeSteps(route, { identity, decided, exchange });
  const { limits, targets } = decided;
  const outcome: Outcome =
    refusal === null
      ? {
          kind: 'forwarded',
          target: decided.picked,
          upstreamTarget: rewritePath(route, exchange.path) + exchange.query,
        }
      : outcomeOf(refusal);
  return { ...head, request: shownOf(exchange), steps, limits, targets, outcome };
}

/** Guard and routing. */
function locate(request: ExplainedRequest, { config, epoch }: ExplainContext): Located {
  const parts = [request.method, request.target, request.from, 'http', ...request.fields.flat()];
  const exchange = new Exchange(
    { index: 0, generation: 1, receivedMs: 0, bodyBytes: 0, isComplete: true, parts },
    () => {},
  );
  exchange.method = request.method;
  exchange.target = request.target;
  exchange.peer = request.from;
  exchange.scheme = 'http';
  exchange.fields = new RequestFields(parts);
  exchange.clientIp = epoch.trustedProxies.clientOf(request.from, exchange.fields.forwardedFor);
  const guarded = judgeHead(request, config);
  if (guarded !== null) {
    return { exchange, route: null, refusal: refuse(guarded, 'The request was refused.') };
  }
  const mark = request.target.indexOf('?');
  exchange.path = normalizePath(mark === -1 ? request.target : request.target.slice(0, mark));
  exchange.query = mark === -1 ? '' : request.target.slice(mark);
  if (exchange.path === '') {
    const detail = 'The path can be read in more than one way (encoded slash or dot segment).';
    return { exchange, route: null, refusal: refuse(PROBLEMS.badTarget, detail) };
  }
  const index = epoch.routeTable.find(request.method, exchange.path);
  if (index === ROUTE_NOT_FOUND) return { exchange, route: null, refusal: null };
  if (index === METHOD_NOT_ALLOWED) {
    const allowed = epoch.routeTable.allowedMethods(exchange.path).join(', ');
    const refusal = refuse(PROBLEMS.methodNotAllowed, `This path takes ${allowed}.`);
    return { exchange, route: null, refusal };
  }
  const route = epoch.routeAt(index);
  exchange.route = route;
  return { exchange, route, refusal: null };
}

function judgeHead(request: ExplainedRequest, config: CompiledConfig): ProblemKind | null {
  const guard = new RequestGuard(config.limits);
  guard.begin(request.method, request.target);
  for (const [name, value] of request.fields) guard.field(name, value);
  return guard.finish();
}

function decide(
  exchange: Exchange,
  route: WorkerRoute,
  context: ExplainContext,
  repeat: number,
): Decided {
  const { config, nowMs } = context;
  const hash = new HalfSipHash(...context.hashKey);
  const keys = limiterKeys(exchange, route).map((text, at): LimitKey => {
    hash.hash(text);
    const limiter = defined(route.limiters[at], 'the limiter of a key');
    return { limiter, high: hash.high, low: hash.low };
  });
  const twin = new CoordinatorTwin(config, context.memory, keys);
  new TargetPreference(config, hash).look(exchange, route.upstream);
  const fields = createAskFields();
  fields.askId = 1;
  fields.routeIndex = route.config.index;
  fields.upstreamIndex = route.upstream.index;
  fields.balanceHash = exchange.balanceHash;
  fields.preferredTarget = exchange.preferredTarget;
  for (const { limiter, high, low } of keys) addLimit(fields, limiter.index, high, low);
  for (let earlier = 1; earlier < repeat; earlier += 1) twin.askAndEnd(fields, nowMs);
  const limits = keys.map((key) => limitShown(key, exchange, twin, nowMs));
  const standings = targetsBefore(route, config, twin);
  const reply = twin.ask(fields, nowMs);
  const isAdmitted = reply.verdict === VERDICT_ADMITTED;
  const pickedIndex = isAdmitted ? reply.targetIndex : -1;
  const targets = standings.map(({ index, shown }) => ({
    ...shown,
    isPicked: index === pickedIndex,
  }));
  const refusal = isAdmitted
    ? null
    : refuse(problemOfVerdict(reply.verdict), detailOfVerdict(reply.verdict));
  return {
    limits,
    targets,
    picked: targets.find(({ isPicked }) => isPicked)?.target ?? '',
    refusal,
  };
}

function limitShown(
  key: LimitKey,
  exchange: Exchange,
  twin: CoordinatorTwin,
  nowMs: number,
): LimitShown {
  const { name, algorithm, limit, windowMs, mode } = key.limiter;
  const { hasRoom, remaining, resetMs } = twin.standingOf(key, nowMs);
  return {
    limit: name,
    key: limitKeyText(key.limiter, exchange),
    algorithm,
    quota: limit,
    windowSeconds: windowMs / 1000,
    mode,
    hasRoom,
    remaining,
    resetSeconds: Math.ceil(resetMs / 1000),
  };
}

/** Before the ask: it may make a breaker half-open. */
function targetsBefore(
  route: WorkerRoute,
  config: CompiledConfig,
  twin: CoordinatorTwin,
): { readonly index: number; readonly shown: TargetShown }[] {
  const targets = byRow(config.targets);
  return route.upstream.targetIndexes.map((index) => {
    const target = defined(targets[index], 'the target of an upstream');
    const { state, why, until } = standingOf(twin.targets, target, route.upstream);
    const shown = {
      target: target.hostPort,
      state,
      why,
      until,
      circuitBreaker: twin.targets.stateNameOf(index),
      inFlight: twin.loads.inFlightOf(index),
      isPicked: false,
    };
    return { index, shown };
  });
}

function refuse(problem: ProblemKind, detail: string): Refusal {
  return { problem, detail };
}

function outcomeOf({ problem, detail }: Refusal): Outcome {
  const { status, code, part } = problem;
  return { kind: 'refused', status, code, part, detail };
}

function shownOf({ method, path, clientIp, consumer }: Exchange): Explanation['request'] {
  return { method, path, clientIp, consumer };
}
