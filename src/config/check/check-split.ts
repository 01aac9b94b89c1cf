/**
 * Checks how the requests of a route are shared among several upstreams.
 *
 * Thread: any (pure). A part of check-routes.ts.
 */
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { RouteConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';
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
  checkRollout(route, pointer, findings);
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

/** What grows, and what is taken back, is the second of two. */
function checkRollout(
  { upstreams = [], split = {} }: SoundPart<RouteConfig>,
  pointer: string,
  findings: Findings,
): void {
  const { ramp, guard } = split;
  if (ramp === undefined && guard === undefined) return;
  const place = `${pointer}/split/${ramp === undefined ? 'guard' : 'ramp'}`;
  if (upstreams.length !== 2)
    findings.addKey(place, 'needs two upstreams: the old one, the new one');
  if (split.refuse !== undefined) {
    findings.addKey(
      `${pointer}/split/refuse`,
      `cannot stand beside split.${ramp ? 'ramp' : 'guard'}`,
    );
  }
  if (ramp !== undefined) {
    for (const [at, side] of upstreams.entries()) {
      if (side?.weight === undefined) continue;
      const message = 'says nothing where split.ramp says what the sides get; leave it out';
      findings.addKey(`${pointer}/upstreams/${at}/weight`, message);
    }
    const { from = DEFAULTS.split.ramp.from, to = DEFAULTS.split.ramp.to } = ramp;
    if (to < from) findings.addValue(`${pointer}/split/ramp`, 'to must be at least from');
  }
  if (guard !== undefined && guard.errors === undefined && guard.p99 === undefined) {
    const isBroken = findings.hasUnder(`${pointer}/split/guard`);
    if (!isBroken) findings.addValue(`${pointer}/split/guard`, 'needs errors, p99 or both');
  }
}
