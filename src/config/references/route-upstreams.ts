/**
 * The upstreams that the requests of a route may go to.
 *
 * Thread: any (pure).
 */
import type { SoundPart } from '../../schema/finding.js';
import type { RouteConfig } from '../gateway-config.js';

type UpstreamKeys = Pick<SoundPart<RouteConfig>, 'upstream' | 'upstreams'>;

/** By name, each once: the one of `upstream`, or those that share its requests. */
export function upstreamsOfRoute({ upstream, upstreams = [] }: UpstreamKeys): string[] {
  const names = [upstream, ...upstreams.map((side) => side?.name)];
  return [...new Set(names.filter((name) => name !== undefined))];
}
