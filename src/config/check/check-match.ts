/**
 * Checks what routes ask of requests, and that no two routes take the same request.
 *
 * Thread: any (pure). A part of check-routes.ts.
 */
import { EVERY_METHOD, takesMethod } from '../../base/http-method.js';
import { displayPath, pointerOf } from '../../base/json-pointer.js';
import { expressionProblem } from '../../filters/validation/linear-pattern.js';
import { areDisjoint, wholeText } from '../../routing/match-conditions.js';
import {
  type PatternSegment,
  paramExpressions,
  parsePathPattern,
} from '../../routing/path-pattern.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { CompiledMatch } from '../compiled-config.js';
import type { MatchConditionConfig, MatchConfig, RouteConfig } from '../gateway-config.js';
import {
  asciiHost,
  compileMatch,
  methodsOfMatch,
  namedConditions,
  negatedConditions,
  pathExpression,
  pathOfMatch,
} from '../references/route-match.js';

/** Stands for the methods of a route that names none. */
const USUAL_METHODS = 'usual';
/** Methods that routes name beside those, in all. */
const OTHER_METHODS_MAX = 100;

/** What has conditions, by name. */
const NAMED = ['headers', 'query', 'cookies'] as const;
/** What the gateway reads of a request itself: conditions do not see it. */
const UNSEEN_FIELDS: ReadonlySet<string> = new Set([
  ...['content-length', 'transfer-encoding', 'expect', 'te', 'trailer', 'keep-alive'],
]);
const CONDITION_KEYS = ['exact', 'prefix', 'pattern', 'present'] as const;

/** The segments of the path, if it has sound ones. */
export function checkMatch(
  route: SoundPart<RouteConfig>,
  index: number,
  findings: Findings,
): readonly PatternSegment[] | undefined {
  const { match = {}, openapi } = route;
  if (openapi !== undefined && match.grpc !== undefined) {
    const message = 'a document describes requests to paths, and match.grpc takes calls';
    findings.addKey(pointerOf('routes', index, 'openapi'), message);
  }
  for (const [position, host] of (match.hosts ?? []).entries()) {
    if (host === undefined || asciiHost(host) !== undefined) continue;
    const at = pointerOf('routes', index, 'match', 'hosts', position);
    const problem = 'is no name of a host: write it without port and path, "*." only at its start';
    findings.addValue(at, `${findings.quote(at, host)} ${problem}`);
  }
  const at = pointerOf('routes', index, 'match');
  checkConditions(match, at, findings);
  checkNot(match, `${at}/not`, findings);
  if (route.match !== undefined) checkGrpc(match, at, findings);
  return checkPath(pathOfMatch(match), `${at}/path`, findings);
}

/** A route takes calls of gRPC, or requests to a path. */
function checkGrpc(match: SoundPart<MatchConfig>, at: string, findings: Findings): void {
  const { grpc, path } = match;
  if (grpc === undefined) {
    if (path !== undefined || findings.hasUnder(at)) return;
    const message = 'missing key "path", or "grpc" for calls of gRPC';
    findings.add({ pointer: at, place: at, part: 'key', message });
    return;
  }
  for (const key of ['path', 'methods', 'version'] as const) {
    if (match[key] !== undefined) findings.addKey(`${at}/${key}`, 'match.grpc says this already');
  }
  if (grpc.method !== undefined && grpc.service === undefined && !findings.hasUnder(`${at}/grpc`)) {
    findings.addKey(`${at}/grpc/method`, 'needs the service that has the method');
  }
}

function checkConditions(
  named: SoundPart<Pick<MatchConfig, (typeof NAMED)[number]>>,
  pointer: string,
  findings: Findings,
): void {
  for (const key of NAMED) {
    for (const [name, condition] of Object.entries(named[key] ?? {})) {
      if (key === 'headers' && UNSEEN_FIELDS.has(name.toLowerCase())) {
        const message = 'no condition sees this field: the gateway reads it itself';
        findings.addKey(pointer + pointerOf(key, name), message);
      }
      if (condition === undefined || typeof condition === 'string') continue;
      const at = pointer + pointerOf(key, name);
      if (!findings.hasUnder(at)) checkCondition(condition, at, findings);
    }
  }
}

/** Each item is one condition, and leaves something of what the others ask for. */
function checkNot(match: SoundPart<MatchConfig>, pointer: string, findings: Findings): void {
  const asked = namedConditions(match);
  for (const [position, item] of (match.not ?? []).entries()) {
    const at = pointer + pointerOf(position);
    if (item === undefined || findings.hasUnder(at)) continue;
    checkConditions(item, at, findings);
    const given = NAMED.filter((key) => item[key] !== undefined);
    if (given.length !== 1) {
      findings.addValue(at, `needs one of ${NAMED.join(', ')}: an item is one condition`);
    } else if (!findings.hasUnder(at) && areDisjoint(negatedConditions(item), asked)) {
      findings.addValue(at, 'no request is left: the route asks for just that');
    }
  }
}

function checkCondition(
  condition: SoundPart<MatchConditionConfig>,
  at: string,
  findings: Findings,
): void {
  const given = CONDITION_KEYS.filter((key) => condition[key] !== undefined);
  if (given.length !== 1) findings.addValue(at, `needs one of ${CONDITION_KEYS.join(', ')}`);
  const { pattern } = condition;
  if (pattern === undefined) return;
  const problem = expressionProblem(wholeText(pattern));
  if (problem !== undefined) findings.addValue(`${at}/pattern`, problem);
}

function checkPath(
  path: string | undefined,
  pointer: string,
  findings: Findings,
): readonly PatternSegment[] | undefined {
  if (path === undefined) return undefined;
  const expression = pathExpression(path);
  if (expression !== undefined) {
    const problem =
      expression === '' ? 'has no expression behind "~"' : expressionProblem(wholeText(expression));
    if (problem !== undefined) findings.addValue(pointer, problem);
    return undefined;
  }
  const pattern = parsePathPattern(path);
  if (!pattern.isValid) {
    findings.addValue(pointer, `${findings.quote(pointer, path)} ${pattern.problem}`);
    return undefined;
  }
  for (const inPath of paramExpressions(pattern.segments)) {
    const problem = expressionProblem(wholeText(inPath));
    if (problem !== undefined) findings.addValue(pointer, problem);
  }
  return pattern.segments;
}

/** Finds pairs of routes that would take the same request. */
export class OverlapCheck {
  private readonly routes: SoundPart<readonly RouteConfig[]>;
  private readonly findings: Findings;
  /** Host, path, version and rank → method → routes that took it before. */
  private readonly takenByPlace = new Map<string, Map<string, number[]>>();
  private readonly matches = new Map<number, CompiledMatch>();
  private readonly others = new Set<string>();

  constructor(routes: SoundPart<readonly RouteConfig[]>, findings: Findings) {
    this.routes = routes;
    this.findings = findings;
  }

  /** `shape`: of the path. `methods`: those of the route, unless they are given. */
  add(index: number, shape: string, methods: readonly string[] = this.methodsOf(index)): void {
    const { version = '' } = this.routes[index]?.match ?? {};
    const { hosts = [''], conditions = [], priority = 0 } = this.matchOf(index);
    const methodsByOther = new Map<number, Set<string>>();
    this.countOthers(index, methods);
    for (const host of hosts) {
      const place = JSON.stringify([host, shape, version, priority, conditions.length]);
      const taken = this.takenByPlace.get(place) ?? new Map<string, number[]>();
      this.takenByPlace.set(place, taken);
      for (const method of methods) {
        const rivals = this.rivals(index, method, taken);
        for (const [shared, other] of rivals) {
          methodsByOther.set(other, (methodsByOther.get(other) ?? new Set()).add(shared));
        }
        if (rivals.length === 0) taken.set(method, [...(taken.get(method) ?? []), index]);
      }
    }
    for (const [other, shared] of methodsByOther) this.report(index, other, [...shared]);
  }

  private matchOf(index: number): CompiledMatch {
    const known = this.matches.get(index) ?? compileMatch(this.routes[index]?.match ?? {});
    this.matches.set(index, known);
    return known;
  }

  private methodsOf(index: number): string[] {
    // Methods with a mistake in them say nothing about what the route is to take.
    if (this.findings.hasUnder(pointerOf('routes', index, 'match', 'methods'))) return [];
    const named = methodsOfMatch(this.routes[index]?.match ?? {});
    if (named === undefined) return [USUAL_METHODS];
    if (!named.includes(EVERY_METHOD)) return [...named];
    const besides = named.filter((method) => !takesMethod([EVERY_METHOD], method));
    return [USUAL_METHODS, EVERY_METHOD, ...besides.filter((method) => method !== EVERY_METHOD)];
  }

  private countOthers(index: number, methods: readonly string[]): void {
    const before = this.others.size;
    for (const method of methods) {
      const isName = method !== EVERY_METHOD && method !== USUAL_METHODS;
      if (isName && !takesMethod([], method)) this.others.add(method);
    }
    if (before > OTHER_METHODS_MAX || this.others.size <= OTHER_METHODS_MAX) return;
    const at = pointerOf('routes', index, 'match', 'methods');
    const problem = `routes name more than ${OTHER_METHODS_MAX} methods beside the usual ones`;
    this.findings.addValue(at, `${problem}: take "*" for some`);
  }

  /** Methods that `method` shares with routes before, and whose they are. */
  private rivals(
    index: number,
    method: string,
    taken: ReadonlyMap<string, readonly number[]>,
  ): [method: string, other: number][] {
    const { conditions = [] } = this.matchOf(index);
    const shared = [...taken.keys()].filter((one) => overlap(method, one));
    return shared.flatMap((one) =>
      (taken.get(one) ?? [])
        .filter((other) => other !== index || conditions.length === 0)
        .filter((other) => !areDisjoint(conditions, this.matchOf(other).conditions ?? []))
        .map((other): [string, number] => [narrower(method, one), other]),
    );
  }

  private report(index: number, other: number, methods: readonly string[]): void {
    const [mine, theirs] = [this.label(index), this.label(other)];
    const isEach = methods.some((method) => method === USUAL_METHODS || method === EVERY_METHOD);
    const which = isEach ? 'every method' : methods.join(', ');
    const isConditional = (this.matchOf(index).conditions ?? []).length > 0;
    const hint = isConditional ? ': give one of them a higher priority' : '';
    const message = `the routes ${theirs} and ${mine} both take ${which} on this path${hint}`;
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

/** Whether both stand for one method at least. */
function overlap(one: string, other: string): boolean {
  if (one === other) return true;
  return covers(one, other) || covers(other, one);
}

function covers(wide: string, method: string): boolean {
  if (method === USUAL_METHODS || method === EVERY_METHOD) return false;
  if (wide === USUAL_METHODS) return takesMethod([], method);
  return wide === EVERY_METHOD && takesMethod([wide], method);
}

/** Of two that overlap, the one that says more. */
function narrower(one: string, other: string): string {
  return covers(one, other) ? other : one;
}
