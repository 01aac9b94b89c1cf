/**
 * Checks routes: patterns, references, limits, rewrites, and that no two take the same request.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */

import { displayPath, pointerOf } from '../../base/json-pointer.js';
import { expressionProblem } from '../../filters/validation/linear-pattern.js';
import { wholeText } from '../../routing/match-conditions.js';
import {
  type PatternSegment,
  paramExpressions,
  parsePathPattern,
  patternShape,
} from '../../routing/path-pattern.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { RouteConfig } from '../gateway-config.js';
import { readOpenapiGroup } from '../openapi/openapi-routes.js';
import { checkFilters } from './check-filters.js';
import { checkRateLimits } from './check-rate-limits.js';
import { suggestName } from './nearest-name.js';

/** Names that routes may refer to: also of upstreams and authenticators that have mistakes. */
export interface KnownNames {
  readonly upstreams: readonly string[];
  readonly authenticators: readonly string[];
}

/** Stands for every method where a route names none. */
const EVERY_METHOD = '*';

/** Checks all routes, each by itself and against the others. */
export function checkRoutes(
  routes: SoundPart<readonly RouteConfig[]>,
  names: KnownNames,
  findings: Findings,
): void {
  const indexByName = new Map<string, number>();
  const overlaps = new OverlapCheck(routes, findings);
  for (const [index, route] of routes.entries()) {
    if (route === undefined) continue;
    checkName(route.name, index, { indexByName, findings });
    checkReferences(route, index, { names, findings });
    const segments = checkPath(route, index, findings);
    if (route.openapi !== undefined) checkOpenapi(route, index, { overlaps, findings });
    else if (segments !== undefined) overlaps.add(index, segments);
    checkRateLimits(route, pointerOf('routes', index), findings);
    if (route.authorize !== undefined && route.authenticate === undefined) {
      const at = pointerOf('routes', index, 'authorize');
      findings.addKey(at, 'needs authenticate: nobody knows who calls');
    }
    checkFilters(route, pointerOf('routes', index), { segments, findings });
  }
}

interface NameContext {
  readonly indexByName: Map<string, number>;
  readonly findings: Findings;
}

function checkName(name: string | undefined, index: number, context: NameContext): void {
  if (name === undefined) return;
  const first = context.indexByName.get(name);
  if (first === undefined) {
    context.indexByName.set(name, index);
    return;
  }
  const pointer = pointerOf('routes', index, 'name');
  const quoted = context.findings.quote(pointer, name);
  context.findings.addValue(pointer, `the name ${quoted} is taken by routes[${first}]`);
}

interface ReferenceContext {
  readonly names: KnownNames;
  readonly findings: Findings;
}

function checkReferences(
  route: SoundPart<RouteConfig>,
  index: number,
  { names, findings }: ReferenceContext,
): void {
  const { upstream, authenticate = [] } = route;
  if (upstream !== undefined && !names.upstreams.includes(upstream)) {
    const pointer = pointerOf('routes', index, 'upstream');
    const quoted = findings.quote(pointer, upstream);
    const suggestion = suggestName(upstream, names.upstreams, 'upstream');
    findings.addValue(pointer, `unknown upstream ${quoted}${suggestion}`);
  }
  for (const [position, name] of authenticate.entries()) {
    if (name === undefined || names.authenticators.includes(name)) continue;
    const pointer = pointerOf('routes', index, 'authenticate', position);
    const quoted = findings.quote(pointer, name);
    const suggestion = suggestName(name, names.authenticators, 'authenticator');
    findings.addValue(pointer, `unknown authenticator ${quoted}${suggestion}`);
  }
}

function checkPath(
  route: SoundPart<RouteConfig>,
  index: number,
  findings: Findings,
): readonly PatternSegment[] | undefined {
  const path = route.match?.path;
  if (path === undefined) return undefined;
  const pattern = parsePathPattern(path);
  const pointer = pointerOf('routes', index, 'match', 'path');
  if (!pattern.isValid) {
    findings.addValue(pointer, `${findings.quote(pointer, path)} ${pattern.problem}`);
    return undefined;
  }
  for (const expression of paramExpressions(pattern.segments)) {
    const problem = expressionProblem(wholeText(expression));
    if (problem !== undefined) findings.addValue(pointer, problem);
  }
  return pattern.segments;
}

interface OpenapiContext {
  readonly overlaps: OverlapCheck;
  readonly findings: Findings;
}

/** Most mistakes that are reported for the document of a group of routes. */
const DOCUMENT_PROBLEMS_MAX = 20;
const SAID_BY_DOCUMENT = ['dialect', 'body', 'contentTypes', 'query', 'params', 'headers'] as const;

function checkOpenapi(
  { openapi = '', match, validation = {} }: SoundPart<RouteConfig>,
  index: number,
  { overlaps, findings }: OpenapiContext,
): void {
  const at = pointerOf('routes', index, 'openapi');
  for (const key of SAID_BY_DOCUMENT) {
    if (validation[key] === undefined) continue;
    findings.addKey(pointerOf('routes', index, 'validation', key), 'the document says this');
  }
  if (match?.path === undefined) return;
  const methods = match.methods?.filter((method) => method !== undefined);
  const { operations, problems } = readOpenapiGroup(openapi, match.path, methods);
  for (const problem of problems.slice(0, DOCUMENT_PROBLEMS_MAX)) findings.addValue(at, problem);
  for (const { path, method } of operations) {
    const pattern = parsePathPattern(path);
    if (pattern.isValid) overlaps.add(index, pattern.segments, [method]);
  }
}

/** Finds pairs of routes that would take the same request. */
class OverlapCheck {
  private readonly routes: SoundPart<readonly RouteConfig[]>;
  private readonly findings: Findings;
  /** Shape of the path → method → index of the route that took it first. */
  private readonly takenByShape = new Map<string, Map<string, number>>();

  constructor(routes: SoundPart<readonly RouteConfig[]>, findings: Findings) {
    this.routes = routes;
    this.findings = findings;
  }

  /** `methods`: those of the route, unless they are given. */
  add(
    index: number,
    segments: readonly PatternSegment[],
    methods: readonly string[] = this.methodsOf(index),
  ): void {
    const version = this.routes[index]?.match?.version;
    const shape = patternShape(segments) + (version === undefined ? '' : ` ${version}`);
    const taken = this.takenByShape.get(shape) ?? new Map<string, number>();
    this.takenByShape.set(shape, taken);
    const commonByOther = new Map<number, string[]>();
    for (const method of methods) {
      const common = this.takenBefore(method, taken);
      if (common.length === 0) taken.set(method, index);
      for (const [shared, other] of common) {
        commonByOther.set(other, [...(commonByOther.get(other) ?? []), shared]);
      }
    }
    for (const [other, methods] of commonByOther) this.report(index, other, methods);
  }

  private methodsOf(index: number): string[] {
    // Methods with a mistake in them say nothing about what the route is to take.
    if (this.findings.hasUnder(pointerOf('routes', index, 'match', 'methods'))) return [];
    const methods = this.routes[index]?.match?.methods;
    if (methods === undefined) return [EVERY_METHOD];
    return methods.filter((method) => method !== undefined);
  }

  /** Methods that `method` shares with routes before, and whose they are. */
  private takenBefore(method: string, taken: ReadonlyMap<string, number>): [string, number][] {
    if (method === EVERY_METHOD) return [...taken];
    const others = [taken.get(method), taken.get(EVERY_METHOD)];
    return others.filter((other) => other !== undefined).map((other) => [method, other]);
  }

  private report(index: number, other: number, methods: readonly string[]): void {
    const [mine, theirs] = [this.label(index), this.label(other)];
    const which = methods.includes(EVERY_METHOD) ? 'every method' : methods.join(', ');
    const message = `the routes ${theirs} and ${mine} both take ${which} on this path`;
    this.findings.addValue(pointerOf('routes', index, 'match', 'path'), message);
  }

  private label(index: number): string {
    const pointer = pointerOf('routes', index);
    const name = this.routes[index]?.name;
    const path = displayPath(pointer);
    if (name === undefined) return path;
    return `${this.findings.quote(`${pointer}/name`, name)} (${path})`;
  }
}
