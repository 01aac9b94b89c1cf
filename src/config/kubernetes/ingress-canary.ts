/**
 * Canaries: a second Ingress with the same host and path, whose service gets a part of the
 * requests.
 *
 * Thread: any (pure). Everything but the service is as the first object says.
 */
import type { MatchConfig, RouteConfig } from '../gateway-config.js';
import type { CanaryOptions } from './ingress-annotations.js';
import type { NamedUpstream } from './service-upstream.js';

/** As there: a header goes before a cookie, and a cookie before the weight. */
const HEADER_PRIORITY = 20;
const COOKIE_PRIORITY = 10;

/** A route among those of all objects. */
export interface PlacedRoute {
  /** Host and path. */
  readonly place: string;
  config: RouteConfig;
  /** The objects that it is of: `NAMESPACE/NAME`. */
  readonly of: string[];
}

export interface CanaryParts {
  readonly canary: CanaryOptions;
  readonly upstream: NamedUpstream;
  readonly owner: string;
}

/** Changes the route at its place, and returns what has to stand beside it. */
export function joinCanary(
  routes: readonly PlacedRoute[],
  { canary, upstream, owner }: CanaryParts,
): { readonly added: readonly PlacedRoute[]; readonly problem: string } {
  const main = routes.find(({ config }) => config.upstream !== undefined);
  if (main === undefined) return { added: [], problem: 'no other Ingress has this path' };
  // Whoever may write in one namespace must not get the requests of another.
  if (namespaceOf(main.of[0]) !== namespaceOf(owner)) {
    return { added: [], problem: `it belongs to ${main.of[0]}, in another namespace` };
  }
  if (main.of.length > 1) return { added: [], problem: `${main.of[1]} is its canary already` };
  const { config } = main;
  const added = sides(canary, config, upstream.name).map((route) => ({
    ...{ place: main.place, config: route, of: [...main.of, owner] },
  }));
  if (canary.weight > 0) {
    const { upstream: first = '', ...rest } = config;
    const parts = [
      { name: first, weight: canary.total - canary.weight },
      { name: upstream.name, weight: canary.weight },
    ];
    main.config = { ...rest, upstreams: parts };
  }
  main.of.push(owner);
  return { added, problem: '' };
}

function namespaceOf(place = ''): string {
  return place.slice(0, place.indexOf('/'));
}

/** Routes for those who choose. */
function sides(
  { header, value, pattern, cookie }: CanaryOptions,
  main: RouteConfig,
  canary: string,
): RouteConfig[] {
  const to = (name: string, upstream: string, match: MatchConfig): RouteConfig => ({
    ...main,
    ...{ name: `${main.name}.${name}`, match: { ...main.match, ...match }, upstream },
  });
  const asks = (text: string | { pattern: string }): MatchConfig => ({
    headers: { ...main.match.headers, [header]: text },
    priority: HEADER_PRIORITY,
  });
  const has = (text: string): MatchConfig => ({
    cookies: { [cookie]: text },
    priority: COOKIE_PRIORITY,
  });
  const stays = main.upstream ?? '';
  const routes: RouteConfig[] = [];
  if (header !== '' && value !== '') routes.push(to('h1', canary, asks(value)));
  else if (header !== '' && pattern !== '') routes.push(to('h1', canary, asks({ pattern })));
  else if (header !== '') {
    routes.push(to('h1', canary, asks('always')), to('h0', stays, asks('never')));
  }
  if (cookie !== '') {
    routes.push(to('c1', canary, has('always')), to('c0', stays, has('never')));
  }
  return routes;
}
