/**
 * Every route that could take a request, and for each but the chosen one the reason why it does
 * not.
 *
 * Thread: any (pure). routing/route-table.ts decides which route takes the request.
 */

import { HTTP_METHODS, takesMethod } from '../base/http-method.js';
import type { PartList } from '../base/rows.js';
import type { CompiledRoute } from '../config/compiled-config.js';
import { routePatterns } from '../config/shared/route-patterns.js';
import { linearPatterns } from '../filters/validation/linear-pattern.js';
import { hostName } from '../routing/host-name.js';
import { compileConditions, wholeText } from '../routing/match-conditions.js';
import { conditionText } from '../routing/precedence.js';
import type { RoutedRequest } from '../routing/route-pattern.js';
import type { Candidate } from './explanation.js';
import { matchPath, type PathMatch, whyLessExact } from './path-match.js';

/** Most routes to show that do not take the path, the nearest first. */
const NEAR_MAX = 5;

export interface CandidateList {
  readonly shown: readonly Candidate[];
  readonly othersCount: number;
}

interface NearMiss {
  readonly candidate: Candidate;
  readonly agreed: number;
}

/** What routes are held against. */
export interface CandidateRequest {
  readonly method: string;
  /** Normalised. */
  readonly path: string;
  readonly routed: RoutedRequest;
}

/** `chosen`: the route that takes the request, or undefined. */
export function listCandidates(
  routes: PartList<CompiledRoute>,
  chosen: CompiledRoute | undefined,
  request: CandidateRequest,
): CandidateList {
  const taking: Candidate[] = [];
  const missing: NearMiss[] = [];
  for (const route of routes) {
    if (route.index === chosen?.index) continue;
    const match = matchRoute(route, request.path);
    if (match.isMatch) taking.push(candidate(route, whyLost(route, chosen, request)));
    else missing.push({ candidate: candidate(route, match.why), agreed: match.agreed });
  }
  const near = missing
    .filter(({ agreed }) => agreed > 0 || missing.length <= NEAR_MAX)
    .sort((one, other) => other.agreed - one.agreed)
    .slice(0, NEAR_MAX)
    .map((one) => one.candidate);
  const first =
    chosen === undefined ? [] : [{ ...candidate(chosen, whyWon(taking)), isChosen: true }];
  const shown = [...first, ...taking, ...near];
  return { shown, othersCount: routes.length - shown.length };
}

/**
 * By the route's own path, or the one without a version; a guarded route also takes a slash at the
 * end.
 */
function matchRoute(route: CompiledRoute, path: string): PathMatch {
  const matches = routePatterns(route, route.index).map((pattern): PathMatch => {
    const { expression } = pattern;
    if (expression !== undefined) return matchExpression(expression, path);
    const exact = matchPath(pattern.path, path);
    if (exact.isMatch || pattern.isGuarded !== true || /[/*]$/.test(pattern.path)) return exact;
    return matchPath(`${pattern.path}/`, path).isMatch ? { isMatch: true } : exact;
  });
  const [first = { isMatch: false, why: 'has no path', agreed: 0 }] = matches;
  return matches.find(({ isMatch }) => isMatch) ?? first;
}

function matchExpression(expression: string, path: string): PathMatch {
  if (linearPatterns(wholeText(expression)).test(path)) return { isMatch: true };
  return { isMatch: false, why: 'the expression does not fit the path', agreed: 0 };
}

function candidate({ name, path, methods }: CompiledRoute, why: string): Candidate {
  return { route: name, path, methods, isChosen: false, why };
}

function whyWon(others: readonly Candidate[]): string {
  return others.length === 0 ? 'the only one that takes the path' : 'the most exact that fits';
}

function whyLost(
  route: CompiledRoute,
  chosen: CompiledRoute | undefined,
  { method, routed }: CandidateRequest,
): string {
  if (!takesMethod(route.methods, method)) {
    const taken = route.methods.length === 0 ? HTTP_METHODS : route.methods;
    return `takes ${taken.join(', ')}, not ${method}`;
  }
  const { version, hosts = [], conditions = [] } = route;
  const host = hostName(routed.host);
  if (hosts.length > 0 && !hosts.some((one) => takesHost(one, host))) {
    return `takes ${hosts.join(', ')}, not ${host === '' ? 'a request without host' : host}`;
  }
  const missing = conditions.find((one) => !compileConditions([one], linearPatterns)(routed));
  if (missing !== undefined) return `only if ${conditionText(missing)}`;
  if (version !== undefined && version !== chosen?.version) return `is version ${version}`;
  // A route that keeps somebody out owns its path in all methods.
  if (chosen === undefined) return 'another route has this path, for all methods';
  return whyLater(route, chosen);
}

/** Why a route that takes the request as well is tried after the chosen one. */
function whyLater(route: CompiledRoute, chosen: CompiledRoute): string {
  const { hosts = [], conditions = [], priority = 0 } = route;
  const [chosenHosts = [], chosenConditions = []] = [chosen.hosts, chosen.conditions];
  if (hosts.join() !== chosenHosts.join()) {
    return hosts.length === 0 ? 'takes every host' : `takes ${hosts.join(', ')}, which is wider`;
  }
  if (route.path !== chosen.path) return `less exact: ${whyLessExact(chosen.path, route.path)}`;
  if (priority !== (chosen.priority ?? 0)) return `priority ${priority} is lower`;
  const [count, most] = [conditions.length, chosenConditions.length];
  return count < most ? `fewer conditions: ${count}, not ${most}` : 'stands later in the file';
}

function takesHost(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : pattern === host;
}
