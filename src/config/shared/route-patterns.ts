/**
 * How the route table knows a route.
 *
 * Thread: any (pure).
 */
import type { RoutePattern } from '../../routing/route-pattern.js';
import type { CompiledRoute } from '../compiled-config.js';
import { pathExpression } from '../references/route-match.js';

/**
 * By its path, and by the one without the default version; `index` is the place in the list. Which
 * hooks a plugin has is known once workers have set it up, and any of them may keep somebody out.
 */
export function routePatterns(route: CompiledRoute, index: number): RoutePattern[] {
  const { path, aliasPath, methods, authenticators, filters, version = '' } = route;
  const { hosts = [], conditions = [], priority = 0, hasOwnPlugins = false } = route;
  const isGuarded = authenticators.length > 0 || filters.ipFilter !== undefined || hasOwnPlugins;
  const pattern = { index, path, methods, isGuarded, version, hosts, conditions, priority };
  const expression = pathExpression(path);
  if (expression !== undefined) return [{ ...pattern, path: '', expression }];
  return aliasPath === undefined ? [pattern] : [pattern, { ...pattern, path: aliasPath }];
}
