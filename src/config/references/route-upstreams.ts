/**
 * The upstreams that the requests of a route may go to.
 *
 * Thread: any (pure).
 */
import type { SoundPart } from '../../schema/finding.js';
import type { RouteConfig } from '../gateway-config.js';

type UpstreamKeys = Pick<SoundPart<RouteConfig>, 'upstream' | 'upstreams' | 'mirror'>;

/** By name, each once: `upstream`, or those that share its requests, and who gets copies. */
export function upstreamsOfRoute({ upstream, upstreams = [], mirror }: UpstreamKeys): string[] {
  const names = [upstream, ...upstreams.map((side) => side?.name), mirror?.upstream];
  return [...new Set(names.filter((name) => name !== undefined))];
}
