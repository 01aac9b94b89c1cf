/**
 * What a rule of an HTTPRoute asks of requests, and which of two rules goes first.
 *
 * Thread: any (pure). Values of fields and parameters are compared as a whole.
 */
import type { MatchConditionConfig, MatchConfig } from '../gateway-config.js';
import { escapedPath, prefixPattern } from './ingress-paths.js';
import { type KubeJson, listAt, recordAt, textAt } from './kube-json.js';

export interface RouteMatch {
  /** As `match.path` has it. */
  readonly pattern: string;
  /** Of a prefix, without a slash at its end; null: the path is no prefix. */
  readonly prefix: string | null;
  readonly methods: readonly string[];
  readonly headers: Conditions;
  readonly query: Conditions;
}

type Conditions = Readonly<Record<string, string | MatchConditionConfig>>;
type Say = (problem: string) => void;

const EVERY_PATH: KubeJson = { type: 'PathPrefix', value: '/' };

/** Those of a rule; what cannot be asked for goes to `say`, and is left out. */
export function matchesOf(rule: KubeJson, say: Say): readonly RouteMatch[] {
  const matches = listAt(rule, 'matches');
  const all = matches.length === 0 ? [{}] : matches;
  return all.flatMap((one) => {
    const problems: string[] = [];
    const match = matchOf(one, (problem) => void problems.push(problem));
    for (const problem of problems) say(problem);
    return problems.length === 0 ? [match] : [];
  });
}

function matchOf(match: KubeJson, say: Say): RouteMatch {
  const method = textAt(match, 'method');
  if (method === 'CONNECT') say('the method CONNECT is not supported');
  return {
    ...pathOf(match['path'] === undefined ? EVERY_PATH : recordAt(match, 'path'), say),
    methods: [method === '' ? '*' : method],
    headers: conditionsOf(listAt(match, 'headers'), (name) => name.toLowerCase(), say),
    query: conditionsOf(listAt(match, 'queryParams'), (name) => name, say),
  };
}

function pathOf(path: KubeJson, say: Say): Pick<RouteMatch, 'pattern' | 'prefix'> {
  const [type, value] = [textAt(path, 'type') || 'PathPrefix', textAt(path, 'value') || '/'];
  if (type === 'RegularExpression') return { pattern: `~${value}`, prefix: null };
  if (!value.startsWith('/')) say(`the path ${JSON.stringify(value)} does not begin with "/"`);
  if (type === 'Exact') return { pattern: escapedPath(value), prefix: null };
  if (type !== 'PathPrefix') say(`a path of the type ${type} is not supported`);
  return { pattern: prefixPattern(value), prefix: value.replace(/\/+$/, '') };
}

/** Of several with one name the first one counts. */
function conditionsOf(
  list: readonly KubeJson[],
  keyOf: (name: string) => string,
  say: Say,
): Conditions {
  const conditions = new Map<string, string | MatchConditionConfig>();
  for (const one of list) {
    const [name, value] = [textAt(one, 'name'), textAt(one, 'value')];
    const type = textAt(one, 'type') || 'Exact';
    const key = keyOf(name);
    if (type !== 'Exact' && type !== 'RegularExpression') {
      say(`a condition of the type ${type} for ${name} is not supported`);
    }
    if (!conditions.has(key)) {
      conditions.set(key, type === 'RegularExpression' ? { pattern: value } : value);
    }
  }
  return Object.fromEntries(conditions);
}

/** Negative: the first one goes before, of two with one pattern. 0: their age decides. */
export function byPrecedence(one: RouteMatch, other: RouteMatch): number {
  return (
    countOf(one.prefix !== null) - countOf(other.prefix !== null) ||
    countOf(isMethodNamed(other)) - countOf(isMethodNamed(one)) ||
    Object.keys(other.headers).length - Object.keys(one.headers).length ||
    Object.keys(other.query).length - Object.keys(one.query).length
  );
}

function isMethodNamed({ methods }: RouteMatch): boolean {
  return methods[0] !== '*';
}

function countOf(is: boolean): number {
  return is ? 1 : 0;
}

/** What a route asks for, but for host and listener. */
export function askedBy({ pattern, methods, headers, query }: RouteMatch): MatchConfig {
  return {
    ...{ path: pattern, methods },
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(Object.keys(query).length > 0 && { query }),
  };
}
