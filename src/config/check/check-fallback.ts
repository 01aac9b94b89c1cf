/**
 * Checks where requests of a route go after its upstream has failed.
 *
 * Thread: any (pure). A part of check-routes.ts.
 */
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { RouteConfig } from '../gateway-config.js';
import { fallbackOf } from '../references/route-upstreams.js';
import { suggestName } from './nearest-name.js';

export function checkFallback(
  route: SoundPart<RouteConfig>,
  pointer: string,
  { known, findings }: { readonly known: readonly string[]; readonly findings: Findings },
): void {
  const { fallback, upstream, upstreams } = route;
  if (fallback === undefined) return;
  const place = `${pointer}/fallback`;
  const hasBroken = (key: string): boolean => findings.hasUnder(`${pointer}/${key}`);
  if (upstreams !== undefined || hasBroken('upstreams')) {
    const message = 'cannot stand beside upstreams: a share of the requests has no other upstream';
    findings.addKey(place, message);
  } else if (upstream === undefined && !hasBroken('upstream')) {
    findings.addKey(place, 'needs upstream: what the gateway itself answers does not fail');
  }
  const calls = keyOfCalls(route);
  if (calls !== '') {
    findings.addKey(place, `cannot stand beside ${calls}: calls of gRPC stay at their upstream`);
  }
  const names = fallbackOf(fallback).upstreams ?? [];
  const list = Array.isArray(fallback) ? place : `${place}/upstreams`;
  for (const [at, name] of names.entries()) {
    if (name === undefined) continue;
    const quoted = findings.quote(`${list}/${at}`, name);
    if (!known.includes(name)) {
      const suggestion = suggestName(name, known, 'upstream');
      findings.addValue(`${list}/${at}`, `unknown upstream ${quoted}${suggestion}`);
    } else if (name === upstream) {
      findings.addValue(`${list}/${at}`, `upstream ${quoted} is the one that has failed by then`);
    }
  }
}

/** What makes the requests of a route calls of gRPC; '': nothing. */
function keyOfCalls({ match, grpcJson, grpcWeb, grpc }: SoundPart<RouteConfig>): string {
  if (match?.grpc !== undefined) return 'match.grpc';
  if (grpcJson !== undefined) return 'grpcJson';
  if (grpcWeb === true) return 'grpcWeb';
  return grpc === undefined ? '' : 'grpc';
}
