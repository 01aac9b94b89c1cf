/**
 * What the coordinator would answer to a request: limits, breakers, the target.
 *
 * Thread: supervisor (on the main thread). Asks a copy of the coordinator, which decides alike and
 * changes nothing.
 */
import { standingOf } from '../admin/target-standing.js';
import { assert, defined } from '../base/assert.js';
import { HalfSipHash } from '../base/half-sip-hash.js';
import { networkOf } from '../base/ip-address.js';
import { byRow } from '../base/rows.js';
import {
  addLimit,
  createAskFields,
  NO_UPSTREAM,
  VERDICT_ADMITTED,
  VERDICT_NONE,
} from '../channel/coordinator/coordinator-records.js';
import type { CompiledLimiter, CompiledUpstream, LimiterKey } from '../config/compiled-config.js';
import { TargetPreference } from '../worker/admission/target-preference.js';
import { detailOfVerdict, problemOfVerdict } from '../worker/admission/verdict-problem.js';
import type { Exchange } from '../worker/exchange/exchange.js';
import { limiterKey } from '../worker/exchange/limiter-keys.js';
import type { AdmissionPlan, WorkerRoute } from '../worker/route/worker-route.js';
import { CoordinatorCopy, type LimitKey } from './coordinator-copy.js';
import type { ExplainContext } from './explain-context.js';
import type { LimitShown, TargetShown } from './explanation.js';
import { type Decided, refuse } from './findings.js';

/** A request like the one that is explained, as it is decided upon. */
export interface DecisionWish {
  /** How many equal requests were decided upon before this one. */
  readonly earlier: number;
  readonly context: ExplainContext;
  readonly exchange: Exchange;
  readonly route: WorkerRoute;
  /** One of those of the route. */
  readonly plan: AdmissionPlan;
}

/** Without an upstream the limits alone decide. */
export function decide({ earlier, context, exchange, route, plan }: DecisionWish): Decided {
  const { config, moment } = context;
  const { upstream } = plan;
  const { nowMs } = moment;
  const hash = new HalfSipHash(...context.hashKey);
  const keys = plan.limiters.map((limiter): LimitKey => {
    hash.hash(limiterKey(exchange, limiter));
    return { limiter, high: hash.high, low: hash.low };
  });
  const copy = new CoordinatorCopy(config, context.memory, keys);
  if (upstream !== null) new TargetPreference(config, hash, copy.slots).look(exchange, upstream);
  const fields = createAskFields();
  fields.askId = 1;
  fields.routeIndex = route.config.index;
  fields.upstreamIndex = upstream === null ? NO_UPSTREAM : upstream.index;
  fields.balanceHash = exchange.admission.balanceHash;
  fields.preferredTarget = exchange.admission.preferredTarget;
  for (const { limiter, high, low } of keys) addLimit(fields, limiter.index, high, low);
  let admittedBefore = 0;
  for (let nth = 0; nth < earlier; nth += 1) {
    if (copy.askAndEnd(fields, nowMs)) admittedBefore += 1;
  }
  const limits = keys.map((key) => limitShown(key, exchange, copy, nowMs));
  const standings = upstream === null ? [] : targetsBefore(upstream, copy, context);
  const { verdict, targetIndex } = copy.ask(fields, nowMs);
  assert(verdict !== VERDICT_NONE, 'an ask has a verdict');
  const targets = standings.map(({ index, shown }) => ({
    ...shown,
    isPicked: index === targetIndex,
  }));
  const refusal =
    verdict === VERDICT_ADMITTED
      ? null
      : refuse(problemOfVerdict(verdict), detailOfVerdict(verdict));
  return {
    admittedBefore,
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
  const { name, algorithm, limit, windowMs, mode, cost, told } = key.limiter;
  const { hasRoom, remaining, resetMs } = copy.standingOf(key, nowMs);
  return {
    limit: name,
    key: limitKeyText(key.limiter, exchange),
    algorithm,
    quota: limit,
    windowSeconds: windowMs / 1000,
    ...(told === undefined ? {} : { reserve: cost }),
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

/** The limiter key, with the values of this request. */
function limitKeyText({ keys }: CompiledLimiter, exchange: Exchange): string {
  return keys.map((key) => keyText(key, exchange)).join(', ');
}

function keyText(key: LimiterKey, exchange: Exchange): string {
  switch (key.kind) {
    case 'consumer':
      return exchange.isAnonymous ? addressText(exchange) : `consumer=${exchange.consumer}`;
    case 'header':
      return `header:${key.header}=${exchange.fields.value(key.header)}`;
    case 'clientIp':
      return addressText(exchange);
    default:
      return 'route';
  }
}

function addressText({ clientIp }: Exchange): string {
  return `clientIp=${networkOf(clientIp)}`;
}
