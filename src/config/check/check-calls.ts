/**
 * Checks that calls of gRPC can get to the targets of their routes, which takes HTTP/2.
 *
 * Thread: any (pure). A part of check-meaning.ts; skips what the shape check has reported.
 */
import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type {
  GatewayConfig,
  RouteConfig,
  TargetConfig,
  UpstreamConfig,
} from '../gateway-config.js';
import { discoveryIn, listedTargets } from '../references/listed-targets.js';
import { upstreamsOfRoute } from '../references/route-upstreams.js';
import { parseTargetUrl } from '../references/target-url.js';
import { DEFAULTS } from '../schema/defaults.js';

export function checkCallsOfRoutes(
  { routes = [], upstreams = {} }: SoundPart<GatewayConfig>,
  findings: Findings,
): void {
  for (const [index, route] of routes.entries()) {
    const reason = route === undefined ? '' : reasonOfCalls(route);
    if (reason === '' || route === undefined) continue;
    const key = route.upstream === undefined ? 'upstreams' : 'upstream';
    for (const name of upstreamsOfRoute(route)) {
      const upstream = Object.hasOwn(upstreams, name) ? upstreams[name] : undefined;
      const problem = upstream === undefined ? '' : http1Problem(name, upstream);
      const at = pointerOf('routes', index, key);
      if (problem !== '') findings.addValue(at, `${reason} needs HTTP/2, and ${problem}`);
    }
  }
}

/** What of a route is for calls alone; '': nothing. */
function reasonOfCalls({ match, grpcJson, grpcWeb, grpc }: SoundPart<RouteConfig>): string {
  if (grpcJson !== undefined) return 'grpcJson';
  if (match?.grpc !== undefined) return 'match.grpc';
  if (grpcWeb === true) return 'grpcWeb';
  return grpc === undefined ? '' : 'grpc';
}

/** '': its targets may be spoken with over HTTP/2. */
function http1Problem(name: string, upstream: SoundPart<UpstreamConfig>): string {
  const { protocol = DEFAULTS.upstream.protocol } = upstream;
  const targets = listedTargets<SoundPart<TargetConfig> | undefined>(upstream.targets);
  const known = targets.map((target) => parseTargetUrl(target?.url ?? ''));
  const { scheme = DEFAULTS.upstream.discovery.scheme } = discoveryIn(upstream.targets) ?? {
    scheme: 'https',
  };
  const isPlain = scheme === 'http' || known.some((found) => found.isValid && !found.target.tls);
  const wanted = isPlain ? 'h2c' : 'h2';
  if (protocol === 'http1') {
    return `upstream ${name} speaks HTTP/1.1: give it protocol: ${wanted}`;
  }
  if (protocol !== 'auto' || !isPlain) return '';
  return `protocol auto is HTTP/1.1 with targets over http: give upstream ${name} protocol: h2c`;
}
