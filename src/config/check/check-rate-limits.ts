/**
 * Checks what fits together within the limits of one route.
 *
 * Thread: any (pure). A part of check-routes.ts; runs on the sound part of a configuration.
 */

import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { RateLimitConfig, RouteConfig, ToldCostConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

/** What one ask can carry. */
const LIMITS_MAX = 4;

type SoundLimit = SoundPart<RateLimitConfig>;

/** What a limit is called that has no name. */
export function defaultName(routeName: string, position: number): string {
  return position === 0 ? routeName : `${routeName}-${position + 1}`;
}

/** Checks each limit by itself, then how many there are and what they are called. */
export function checkRateLimits(
  route: SoundPart<RouteConfig>,
  routePointer: string,
  findings: Findings,
): void {
  const { rateLimit } = route;
  if (rateLimit === undefined) return;
  const pointer = `${routePointer}/rateLimit`;
  const isPublic =
    route.authenticate === undefined && !findings.hasUnder(`${routePointer}/authenticate`);
  const refusesAnonymous =
    route.anonymous !== 'allow' && !findings.hasUnder(`${routePointer}/anonymous`);
  const isAnsweredHere =
    route.respond !== undefined || route.redirect !== undefined || route.tokenService !== undefined;
  const context = { isPublic, refusesAnonymous, isAnsweredHere, findings };
  if (!isList(rateLimit)) {
    checkLimit(rateLimit, pointer, context);
    return;
  }
  const taken = new Map<string, number>();
  let count = 0;
  for (const [position, limit] of rateLimit.entries()) {
    if (limit === undefined) continue;
    const at = `${pointer}${pointerOf(position)}`;
    checkLimit(limit, at, context);
    count += (limit.limit === undefined ? 0 : 1) + (limit.maxInFlight === undefined ? 0 : 1);
    const name = limit.name ?? defaultName(route.name ?? '', position);
    const first = taken.get(name);
    if (first === undefined) taken.set(name, position);
    else findings.addValue(at, `has the name of rateLimit[${first}], ${JSON.stringify(name)}`);
  }
  if (count > LIMITS_MAX) {
    const message = `has ${count} limits and may have ${LIMITS_MAX}: maxInFlight counts as one`;
    findings.addValue(pointer, message);
  }
}

interface LimitContext {
  readonly isPublic: boolean;
  readonly refusesAnonymous: boolean;
  /** No target is asked. */
  readonly isAnsweredHere: boolean;
  readonly findings: Findings;
}

function checkLimit(limit: SoundLimit, pointer: string, context: LimitContext): void {
  const { isPublic, findings } = context;
  checkParts(limit, pointer, findings);
  const isOtherAlgorithm =
    limit.algorithm !== 'tokenBucket' &&
    !isToldCost(limit.cost) &&
    !findings.hasUnder(`${pointer}/algorithm`);
  if (limit.burst !== undefined && isOtherAlgorithm) {
    findings.addKey(`${pointer}/burst`, 'only the algorithm "tokenBucket" has a burst');
  }
  if (isToldCost(limit.cost)) checkToldCost(limit, limit.cost, pointer, context);
  else if (!findings.hasUnder(`${pointer}/burst`))
    checkCost(limit, limit.cost, `${pointer}/cost`, findings);
  const keys = isList(limit.key) ? limit.key : [limit.key];
  if (isPublic && keys.includes('consumer')) {
    const message = '"consumer" needs authenticate on this route: nobody is known without';
    findings.addValue(`${pointer}/key`, message);
  }
  checkCallers(limit, pointer, context);
}

function checkCallers({ callers, key }: SoundLimit, pointer: string, context: LimitContext): void {
  const { isPublic, refusesAnonymous, findings } = context;
  const at = `${pointer}/callers`;
  if (callers === 'identified' && isPublic) {
    findings.addValue(at, '"identified" needs authenticate on this route: nobody is known without');
  }
  if (callers !== 'anonymous') return;
  if (isPublic || refusesAnonymous) {
    findings.addValue(at, '"anonymous" needs authenticate and anonymous: allow on this route');
  }
  if ([key].flat().includes('consumer')) {
    findings.addValue(`${pointer}/key`, '"consumer" tells nothing of anonymous callers');
  }
}

/** What is missing proves nothing where something else is wrong: it may be there, mistyped. */
function checkParts(limit: SoundLimit, pointer: string, findings: Findings): void {
  if (findings.hasUnder(pointer)) return;
  if (limit.limit === undefined && limit.maxInFlight === undefined) {
    findings.addValue(pointer, 'needs limit and window, or maxInFlight');
  }
  if (limit.limit !== undefined) {
    if (limit.window === undefined) findings.addKey(`${pointer}/limit`, 'needs window as well');
    return;
  }
  for (const key of ['window', 'algorithm', 'burst', 'cost'] as const) {
    if (limit[key] !== undefined) findings.addKey(`${pointer}/${key}`, 'needs limit as well');
  }
}

type SoundToldCost = SoundPart<ToldCostConfig>;

function isToldCost(cost: SoundLimit['cost']): cost is SoundToldCost {
  return typeof cost === 'object';
}

/** Only a bucket can take back what was reserved, and be in debt. */
const ALGORITHM_REASONS = {
  slidingWindow: 'a sliding window cannot take a reserve back',
  fixedWindow: 'a reply may end in another window than its request began in',
} as const;

function checkToldCost(
  limit: SoundLimit,
  cost: SoundToldCost,
  pointer: string,
  { isAnsweredHere, findings }: LimitContext,
): void {
  const at = `${pointer}/cost`;
  const { algorithm } = limit;
  if (algorithm !== undefined && algorithm !== 'tokenBucket') {
    const reason = ALGORITHM_REASONS[algorithm];
    const message = `a cost that replies tell needs "tokenBucket": ${reason}`;
    findings.addValue(`${pointer}/algorithm`, message);
  }
  if (isAnsweredHere) {
    findings.addValue(at, 'the gateway itself answers this route: no reply would tell a cost');
  }
  if (findings.hasUnder(at)) return;
  if ((cost.reply === undefined) === (cost.field === undefined)) {
    findings.addValue(at, 'needs one of reply and field');
  }
  checkCost(limit, cost.reserve, `${at}/reserve`, findings);
}

function checkCost(
  limit: SoundLimit,
  cost: number = DEFAULTS.rateLimit.cost,
  at: string,
  findings: Findings,
): void {
  const most = limit.burst ?? limit.limit;
  if (most === undefined || cost <= most) return;
  const name = limit.burst === undefined ? 'limit' : 'burst';
  findings.addValue(at, `no request would pass: ${cost} is more than ${name}`);
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
