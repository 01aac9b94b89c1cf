/**
 * Checks routes: patterns, references, limits, rewrites, and that no two take the same request.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */

import { pointerOf } from '../../base/json-pointer.js';
import { parsePathPattern, patternShape } from '../../routing/path-pattern.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { RouteConfig } from '../gateway-config.js';
import { openapiFile, readOpenapiGroup, refusesUnsupported } from '../openapi/openapi-routes.js';
import { readGrpcJson } from '../references/grpc-json-rules.js';
import { pathExpression } from '../references/route-match.js';
import { checkFallback } from './check-fallback.js';
import { checkFilters } from './check-filters.js';
import { checkMatch, OverlapCheck } from './check-match.js';
import { checkMirror } from './check-mirror.js';
import { checkRateLimits } from './check-rate-limits.js';
import { checkSplit } from './check-split.js';
import { suggestName } from './nearest-name.js';

/** Names that routes may refer to: also of upstreams and authenticators that have mistakes. */
export interface KnownNames {
  readonly upstreams: readonly string[];
  readonly authenticators: readonly string[];
}

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
    checkSplit(route, pointerOf('routes', index), { known: names.upstreams, findings });
    checkFallback(route, pointerOf('routes', index), { known: names.upstreams, findings });
    checkMirror(route, pointerOf('routes', index), { known: names.upstreams, findings });
    const segments = checkMatch(route, index, findings);
    checkGrpcJson(route, index, { overlaps, findings });
    if (route.openapi !== undefined) checkOpenapi(route, index, { overlaps, findings });
    else if (segments !== undefined) overlaps.add(index, patternShape(segments));
    else if (pathExpression(route.match?.path ?? '') !== undefined) {
      overlaps.add(index, route.match?.path ?? '');
    }
    checkRateLimits(route, pointerOf('routes', index), findings);
    checkAnonymous(route, pointerOf('routes', index), findings);
    checkEventStreams(route, pointerOf('routes', index), findings);
    checkWebSocket(route, pointerOf('routes', index), findings);
    checkCache(route, pointerOf('routes', index), findings);
    checkFilters(route, pointerOf('routes', index), { segments, findings });
  }
}

/** The rules of a file of descriptors, each of which becomes a route. */
function checkGrpcJson(
  { grpcJson, match }: SoundPart<RouteConfig>,
  index: number,
  { overlaps, findings }: OpenapiContext,
): void {
  const { descriptors } = grpcJson ?? {};
  if (descriptors === undefined) return;
  const at = pointerOf('routes', index, 'grpcJson', 'descriptors');
  const { service, method } = match?.grpc ?? {};
  if (service === undefined) {
    const needed = 'needs match.grpc with the service whose methods are meant';
    findings.addKey(pointerOf('routes', index, 'grpcJson'), needed);
    return;
  }
  const { rules, mistakes } = readGrpcJson(descriptors, service, method);
  for (const mistake of mistakes.slice(0, DOCUMENT_PROBLEMS_MAX)) findings.addValue(at, mistake);
  for (const { path, httpMethod } of rules) {
    const pattern = parsePathPattern(path);
    if (pattern.isValid) overlaps.add(index, patternShape(pattern.segments), [httpMethod]);
    else findings.addValue(at, `${path} ${pattern.problem}`);
  }
}

/** What a route asks of callers needs callers that are known. */
function checkAnonymous(
  { authorize, authenticate, anonymous }: SoundPart<RouteConfig>,
  pointer: string,
  findings: Findings,
): void {
  if (authenticate === undefined && authorize !== undefined) {
    findings.addKey(`${pointer}/authorize`, 'needs authenticate: nobody knows who calls');
  }
  if (anonymous !== 'allow') return;
  if (authenticate === undefined && !findings.hasUnder(`${pointer}/authenticate`)) {
    findings.addValue(`${pointer}/anonymous`, 'without authenticate everybody is let in already');
  }
  if (authorize !== undefined) {
    const message = 'nothing is known of anonymous callers that authorize could judge';
    findings.addValue(`${pointer}/anonymous`, message);
  }
}

/** It has one, or one with a mistake. */
function mayHaveUpstream(
  route: SoundPart<RouteConfig>,
  pointer: string,
  findings: Findings,
): boolean {
  return (['upstream', 'upstreams'] as const).some((key) => {
    return route[key] !== undefined || findings.hasUnder(`${pointer}/${key}`);
  });
}

/** The gateway itself answers with no event streams. */
function checkEventStreams(
  route: SoundPart<RouteConfig>,
  pointer: string,
  findings: Findings,
): void {
  if (route.sse === undefined || mayHaveUpstream(route, pointer, findings)) return;
  findings.addKey(`${pointer}/sse`, 'needs upstream: event streams come from targets');
}

/** A tunnel leads to a target; and what expires are credentials. */
function checkWebSocket(route: SoundPart<RouteConfig>, pointer: string, findings: Findings): void {
  const { websocket, authenticate } = route;
  if (websocket === undefined) return;
  if (!mayHaveUpstream(route, pointer, findings)) {
    findings.addKey(`${pointer}/websocket`, 'needs upstream: the gateway itself has no sockets');
  }
  if (typeof websocket === 'boolean') return;
  const { closeAtTokenExpiry, expiryCode } = websocket;
  if (closeAtTokenExpiry === true && authenticate === undefined) {
    const at = `${pointer}/websocket/closeAtTokenExpiry`;
    findings.addValue(at, 'needs authenticate: nobody has credentials that could expire');
  }
  if (expiryCode !== undefined && closeAtTokenExpiry !== true) {
    findings.addKey(`${pointer}/websocket/expiryCode`, 'is for closeAtTokenExpiry: true only');
  }
}

/** What the gateway itself says costs no more than what is stored. */
function checkCache(route: SoundPart<RouteConfig>, pointer: string, findings: Findings): void {
  const { cache } = route;
  if (cache === undefined || cache === false) return;
  if (mayHaveUpstream(route, pointer, findings)) return;
  findings.addKey(`${pointer}/cache`, 'needs upstream: only replies of targets are stored');
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
  const { operations, mistakes, unsupported } = readOpenapiGroup(
    openapiFile(openapi),
    match.path,
    methods,
  );
  const problems = refusesUnsupported(openapi) ? [...mistakes, ...unsupported] : mistakes;
  for (const problem of problems.slice(0, DOCUMENT_PROBLEMS_MAX)) findings.addValue(at, problem);
  for (const { path, method } of operations) {
    const pattern = parsePathPattern(path);
    if (pattern.isValid) overlaps.add(index, patternShape(pattern.segments), [method]);
  }
}
