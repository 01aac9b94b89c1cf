/**
 * Checks that routes with versions can be told apart, and reached.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */

import { pointerOf } from '../../base/json-pointer.js';
import { type PatternSegment, parsePathPattern, patternShape } from '../../routing/path-pattern.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, MatchConfig } from '../gateway-config.js';
import { compileMatch, pathExpression } from '../references/route-match.js';

/** Checks all routes against `versioning` and against each other. */
export function checkVersions(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const { versioning, routes = [] } = config;
  const versions = new Set<string>();
  /** Shape of a path → the path as its first route writes it, and whether it has a version. */
  const firstByShape = new Map<string, { path: string; isVersioned: boolean }>();
  for (const [index, route] of routes.entries()) {
    const { path, version } = route?.match ?? {};
    if (path === undefined) continue;
    const at = pointerOf('routes', index, 'match', 'version');
    if (version !== undefined) {
      versions.add(version);
      if (versioning === undefined)
        findings.addKey(at, 'needs versioning, which is not configured');
    }
    if (version !== undefined && versioning?.by === 'path' && pathExpression(path) !== undefined) {
      findings.addKey(at, 'a path that is an expression has its version in the expression');
    }
    const pattern = parsePathPattern(path);
    if (!pattern.isValid) continue;
    const shape = placeOf(route?.match ?? {}, pattern.segments);
    const isVersioned = version !== undefined;
    const first = firstByShape.get(shape);
    if (first === undefined) {
      firstByShape.set(shape, { path, isVersioned });
    } else if (first.isVersioned !== isVersioned) {
      findings.addValue(pointerOf('routes', index, 'match', 'path'), MIXED);
    } else if (isVersioned && first.path !== path) {
      const message = `versions of one path name their parameters alike: ${first.path}`;
      findings.addValue(pointerOf('routes', index, 'match', 'path'), message);
    }
  }
  checkDefault(versioning?.default, versions, findings);
}

/** Same text for routes that can only be told apart by their versions. */
function placeOf(match: SoundPart<MatchConfig>, segments: readonly PatternSegment[]): string {
  return JSON.stringify([patternShape(segments), compileMatch(match)]);
}

const MIXED = 'another route takes this path with a version: give each of them one, or none';

function checkDefault(
  version: string | undefined,
  versions: ReadonlySet<string>,
  findings: Findings,
): void {
  if (version === undefined || versions.has(version)) return;
  const known = versions.size === 0 ? 'none has one' : `there are: ${[...versions].join(', ')}`;
  findings.addValue('/versioning/default', `no route has this match.version; ${known}`);
}
