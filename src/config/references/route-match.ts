/**
 * Compiles what a route asks of a request beside its path and methods.
 *
 * Thread: any (pure).
 */
import { domainToASCII } from 'node:url';
import type { MatchCondition } from '../../routing/route-pattern.js';
import type { SoundPart } from '../../schema/finding.js';
import type { CompiledMatch } from '../compiled-config.js';
import type { MatchConditionConfig, MatchConfig, MatchNotConfig } from '../gateway-config.js';

const HOST = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/;
const BRACKETED = /^\[[0-9a-f:.]+\]$/;
/** The character that begins a path which is a regular expression. */
const EXPRESSION_MARK = '~';

/** What is not configured is not there. */
export function compileMatch(match: SoundPart<MatchConfig>): CompiledMatch {
  const { hosts, priority = 0 } = match;
  const names = hosts?.flatMap((host) => asciiHost(host ?? '') ?? []);
  const conditions = conditionsOf(match);
  return {
    ...(names !== undefined &&
      names.length > 0 && { hosts: [...new Set(names)].sort(byExactness) }),
    ...(conditions.length > 0 && { conditions }),
    ...(priority !== 0 && { priority }),
  };
}

/** Stands in the path of a route for a service or method that it does not name. */
const ANY_SERVICE = ':grpcService';
const ANY_METHOD = ':grpcMethod';

type Place = Pick<SoundPart<MatchConfig>, 'path' | 'grpc' | 'methods'>;

/** The path of the route: its own, or that of calls; undefined: it has neither. */
export function pathOfMatch({ path, grpc }: Place): string | undefined {
  if (path !== undefined || grpc === undefined) return path;
  return `/${grpc.service ?? ANY_SERVICE}/${grpc.method ?? ANY_METHOD}`;
}

/** The methods that the route names; undefined: none. */
export function methodsOfMatch({ grpc, methods }: Place): readonly string[] | undefined {
  if (grpc !== undefined) return ['POST'];
  return methods?.filter((method) => method !== undefined);
}

/** Names before stars: what is tried first comes first. */
function byExactness(one: string, other: string): number {
  const [isStar, isOtherStar] = [one.startsWith('*'), other.startsWith('*')];
  if (isStar !== isOtherStar) return isStar ? 1 : -1;
  return one < other ? -1 : 1;
}

/** The name as DNS has it: ASCII, lower case, no dot at the end. undefined: it is none. */
export function asciiHost(host: string): string | undefined {
  const plain = host.toLowerCase().replace(/\.$/, '');
  if (BRACKETED.test(plain)) return plain;
  const isStar = plain.startsWith('*.');
  const name = domainToASCII(isStar ? plain.slice(2) : plain);
  if (name === '' || name.includes('..') || !HOST.test(name)) return undefined;
  return isStar ? `*.${name}` : name;
}

/** The expression of a path that is one; undefined: it is a pattern. */
export function pathExpression(path: string): string | undefined {
  return path.startsWith(EXPRESSION_MARK) ? path.slice(1).trim() : undefined;
}

/** In one order, so that the same conditions are the same list. */
function conditionsOf({
  headers,
  query,
  cookies,
  not = [],
  listener,
}: SoundPart<MatchConfig>): MatchCondition[] {
  const named = namedConditions({ headers, query, cookies });
  const all = [...named, ...not.flatMap(negatedConditions), ...listenerCondition(listener)];
  return all.sort((one, other) => (textOf(one) < textOf(other) ? -1 : 1));
}

/** Those of one item of `not`. */
export function negatedConditions(item: SoundPart<MatchNotConfig> | undefined): MatchCondition[] {
  return namedConditions(item ?? {}).map((condition) => {
    // There is one spelling for each of these two.
    if (condition.test === 'present') return { ...condition, test: 'absent' };
    if (condition.test === 'absent') return { ...condition, test: 'present' };
    return { ...condition, isNot: true };
  });
}

/** What stands in `headers`, `query` and `cookies`. */
export function namedConditions({
  headers,
  query,
  cookies,
}: SoundPart<MatchNotConfig>): MatchCondition[] {
  return [...of('header', headers), ...of('query', query), ...of('cookie', cookies)];
}

function of(
  source: MatchCondition['source'],
  named: SoundPart<Readonly<Record<string, string | MatchConditionConfig>>> | undefined,
): MatchCondition[] {
  return Object.entries(named ?? {}).flatMap(([name, condition]) => {
    if (condition === undefined) return [];
    const key = source === 'header' ? name.toLowerCase() : name;
    return { source, name: key, ...testOf(condition) };
  });
}

function listenerCondition(listener: SoundPart<MatchConfig>['listener']): MatchCondition[] {
  const names = [listener ?? []].flat().filter((name) => name !== undefined);
  if (names.length === 0) return [];
  const value = [...new Set(names)].sort().join('\n');
  return [{ source: 'listener', name: '', test: 'oneOf', value }];
}

function textOf({ source, name, test, value, isNot }: MatchCondition): string {
  return [source, name, test, value, isNot ?? ''].join('\n');
}

function testOf(
  condition: string | SoundPart<MatchConditionConfig>,
): Pick<MatchCondition, 'test' | 'value'> {
  if (typeof condition === 'string') return { test: 'exact', value: condition };
  const { exact, prefix, pattern, present = true } = condition;
  if (exact !== undefined) return { test: 'exact', value: exact };
  if (prefix !== undefined) return { test: 'prefix', value: prefix };
  if (pattern !== undefined) return { test: 'pattern', value: pattern };
  return { test: present ? 'present' : 'absent', value: '' };
}
