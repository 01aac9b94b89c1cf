/**
 * Checks where requests of a route are copied to.
 *
 * Thread: any (pure). A part of check-routes.ts.
 */
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { RouteConfig } from '../gateway-config.js';
import { suggestName } from './nearest-name.js';

export function checkMirror(
  { mirror, cache, upstream, upstreams = [] }: SoundPart<RouteConfig>,
  pointer: string,
  { known, findings }: { readonly known: readonly string[]; readonly findings: Findings },
): void {
  if (mirror === undefined) return;
  const place = `${pointer}/mirror`;
  const hasUpstream = (['upstream', 'upstreams'] as const).some((key) =>
    findings.hasUnder(`${pointer}/${key}`),
  );
  if (upstream === undefined && upstreams.length === 0 && !hasUpstream) {
    findings.addKey(place, 'needs upstream: requests that the gateway answers are not copied');
  }
  if (cache !== undefined && cache !== false) {
    findings.addKey(
      place,
      'cannot stand beside cache: replies from memory have no request to copy',
    );
  }
  const { upstream: name } = mirror;
  if (name === undefined) return;
  const quoted = findings.quote(`${place}/upstream`, name);
  if (!known.includes(name)) {
    const suggestion = suggestName(name, known, 'upstream');
    findings.addValue(`${place}/upstream`, `unknown upstream ${quoted}${suggestion}`);
  } else if (name === upstream || upstreams.some((side) => side?.name === name)) {
    findings.addValue(`${place}/upstream`, `upstream ${quoted} gets the requests themselves`);
  }
}
