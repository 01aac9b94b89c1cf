/**
 * Every route that could take a request, and for each but the chosen one the reason why it does
 * not.
 *
 * Thread: any (pure). routing/route-table.ts decides which route takes the request.
 */

import type { PartList } from '../base/rows.js';
import type { CompiledRoute } from '../config/compiled-config.js';
import { routePatterns } from '../config/shared/route-patterns.js';
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

/** `chosen`: the route that takes the request, or undefined. */
export function listCandidates(
  routes: PartList<CompiledRoute>,
  chosen: CompiledRoute | undefined,
  { method, path }: { readonly method: string; readonly path: string },
): CandidateList {
  const taking: Candidate[] = [];
  const missing: NearMiss[] = [];
  for (const route of routes) {
    if (route.index === chosen?.index) continue;
    const match = matchRoute(route, path);
    if (match.isMatch) taking.push(candidate(route, whyLost(route, chosen, method)));
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
    const exact = matchPath(pattern.path, path);
    if (exact.isMatch || pattern.isGuarded !== true || /[/*]$/.test(pattern.path)) return exact;
    return matchPath(`${pattern.path}/`, path).isMatch ? { isMatch: true } : exact;
  });
  const [first = { isMatch: false, why: 'has no path', agreed: 0 }] = matches;
  return matches.find(({ isMatch }) => isMatch) ?? first;
}

function candidate({ name, path, methods }: CompiledRoute, why: string): Candidate {
  return { route: name, path, methods, isChosen: false, why };
}

function whyWon(others: readonly Candidate[]): string {
  return others.length === 0 ? 'the only one that takes the path' : 'the most exact that fits';
}

function whyLost(route: CompiledRoute, chosen: CompiledRoute | undefined, method: string): string {
  const isTaken =
    route.methods.length === 0 ||
    route.methods.includes(method) ||
    (method === 'HEAD' && route.methods.includes('GET'));
  if (!isTaken) return `takes ${route.methods.join(', ')}, not ${method}`;
  const { version } = route;
  if (version !== undefined && version !== chosen?.version) return `is version ${version}`;
  // A route that keeps somebody out owns its path in all methods.
  if (chosen === undefined) return 'another route has this path, for all methods';
  return `less exact: ${whyLessExact(chosen.path, route.path)}`;
}
