/**
 * What the coordinator would answer to a request: limits, breakers, the target.
 *
 * Thread: acceptor. Asks a copy of the coordinator, which decides alike and changes nothing.
 */
import { standingOf } from '../admin/target-standing.js';
import { defined } from '../base/assert.js';
import { HalfSipHash } from '../base/half-sip-hash.js';
import { byRow } from '../base/rows.js';
import {
  addLimit,
  createAskFields,
  VERDICT_ADMITTED,
} from '../channel/coordinator/coordinator-records.js';
import type { CompiledUpstream } from '../config/compiled-config.js';
import { limiterKey } from '../worker/admission/limiter-keys.js';
import { TargetPreference } from '../worker/admission/target-preference.js';
import { detailOfVerdict, problemOfVerdict } from '../worker/admission/verdict-problem.js';
import type { Exchange } from '../worker/exchange/exchange.js';
import type { WorkerRoute } from '../worker/route/worker-route.js';
import { CoordinatorCopy, type LimitKey } from './coordinator-copy.js';
import type { ExplainContext } from './explain-context.js';
import type { LimitShown, TargetShown } from './explanation.js';
import { type Decided, refuse } from './findings.js';
import { limitKeyText } from './route-steps.js';

/** For a route that answers by itself. */
export const NOTHING_DECIDED: Decided = { limits: [], targets: [], picked: '', refusal: null };

export function decide(
  exchange: Exchange,
  route: WorkerRoute,
  upstream: CompiledUpstream,
  { context, repeat }: { readonly context: ExplainContext; readonly repeat: number },
): Decided {
  const { config, moment } = context;
  const { nowMs } = moment;
  const hash = new HalfSipHash(...context.hashKey);
  const keys = route.limiters.map((limiter): LimitKey => {
    hash.hash(limiterKey(exchange, limiter));
    return { limiter, high: hash.high, low: hash.low };
  });
  const copy = new CoordinatorCopy(config, context.memory, keys);
  new TargetPreference(config, hash).look(exchange, upstream);
  const fields = createAskFields();
  fields.askId = 1;
  fields.routeIndex = route.config.index;
  fields.upstreamIndex = upstream.index;
  fields.balanceHash = exchange.admission.balanceHash;
  fields.preferredTarget = exchange.admission.preferredTarget;
  for (const { limiter, high, low } of keys) addLimit(fields, limiter.index, high, low);
  for (let earlier = 1; earlier < repeat; earlier += 1) copy.askAndEnd(fields, nowMs);
  const limits = keys.map((key) => limitShown(key, exchange, copy, nowMs));
  const standings = targetsBefore(upstream, copy, context);
  const reply = copy.ask(fields, nowMs);
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
  copy: CoordinatorCopy,
  nowMs: number,
): LimitShown {
  const { name, algorithm, limit, windowMs, mode } = key.limiter;
  const { hasRoom, remaining, resetMs } = copy.standingOf(key, nowMs);
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

/** To be called before the ask, which may make a breaker half-open. */
function targetsBefore(
  upstream: CompiledUpstream,
  copy: CoordinatorCopy,
  { config, moment }: ExplainContext,
): { readonly index: number; readonly shown: TargetShown }[] {
  const targets = byRow(config.targets);
  return upstream.targetIndexes.map((index) => {
    const target = defined(targets[index], 'the target of an upstream');
    const { state, why, until } = standingOf(copy.targets, target, upstream, moment);
    const shown = {
      target: target.hostPort,
      state,
      why,
      until,
      circuitBreaker: copy.targets.stateNameOf(index),
      inFlight: copy.loads.inFlightOf(index),
      isPicked: false,
    };
    return { index, shown };
  });
}
