/**
 * Checks how the requests of a route are shared among several upstreams.
 *
 * Thread: any (pure). A part of check-routes.ts.
 */
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { RouteConfig } from '../gateway-config.js';
import { suggestName } from './nearest-name.js';

export function checkSplit(
  route: SoundPart<RouteConfig>,
  pointer: string,
  { known, findings }: { readonly known: readonly string[]; readonly findings: Findings },
): void {
  const { upstreams, split, cache, authenticate } = route;
  if (upstreams === undefined) {
    const isBroken = findings.hasUnder(`${pointer}/upstreams`);
    if (split !== undefined && !isBroken) findings.addKey(`${pointer}/split`, 'needs upstreams');
    return;
  }
  const seen = new Set<string>();
  for (const [at, side] of upstreams.entries()) {
    if (side?.name === undefined) continue;
    const place = `${pointer}/upstreams/${at}/name`;
    const quoted = findings.quote(place, side.name);
    if (!known.includes(side.name)) {
      const suggestion = suggestName(side.name, known, 'upstream');
      findings.addValue(place, `unknown upstream ${quoted}${suggestion}`);
    } else if (seen.has(side.name)) {
      findings.addValue(place, `upstream ${quoted} has a part already`);
    }
    seen.add(side.name);
  }
  if (upstreams.every((side) => side?.weight === 0)) {
    findings.addValue(`${pointer}/upstreams`, 'one of them needs a weight above 0');
  }
  if (cache !== undefined && cache !== false) {
    const message = 'needs one upstream: a stored reply of one would answer callers of the other';
    findings.addKey(`${pointer}/cache`, message);
  }
  if (split?.key === 'consumer' && authenticate === undefined) {
    findings.addValue(`${pointer}/split/key`, 'needs authenticate: nobody knows who calls');
  }
}
