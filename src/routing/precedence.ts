/**
 * In which order routes are tried, and the words for what they ask of a request.
 *
 * Thread: any (pure). The route table tries routes in this order by its shape; a test holds the two
 * against each other. The order: host, path from its first segment on, priority, number of
 * conditions, order of the file.
 */
import { literalPrefix } from './literal-prefix.js';
import { type PatternSegment, parsePathPattern, patternShape } from './path-pattern.js';
import type { MatchCondition, RoutePattern } from './route-pattern.js';

/** Negative: the first is tried before the second. */
export function comparePrecedence(one: RoutePattern, other: RoutePattern): number {
  return (
    compareHosts(one.hosts ?? [], other.hosts ?? []) ||
    comparePaths(one, other) ||
    (other.priority ?? 0) - (one.priority ?? 0) ||
    (other.conditions ?? []).length - (one.conditions ?? []).length ||
    one.index - other.index
  );
}

/** `header x-beta is "1"` */
export function conditionText({ source, name, test, value, isNot }: MatchCondition): string {
  if (test === 'oneOf') return `${source} is ${value.replaceAll('\n', ' or ')}`;
  const what = `${source} ${name}`;
  if (test === 'present') return `${what} is there`;
  if (test === 'absent') return `${what} is not there`;
  const isNegated = isNot === true;
  if (test === 'pattern') return `${what} ${isNegated ? 'does not fit' : 'fits'} ${value}`;
  if (test === 'exact') return `${what} ${isNegated ? 'is not' : 'is'} "${value}"`;
  return `${what} ${isNegated ? 'does not begin' : 'begins'} with "${value}"`;
}

function compareHosts(one: readonly string[], other: readonly string[]): number {
  const [first = '', second = ''] = [one[0], other[0]];
  return (
    hostRank(first) - hostRank(second) ||
    (isStar(first) ? second.length - first.length : 0) ||
    compareTexts(first, second)
  );
}

/** Names, then stars, then what takes every host. */
function hostRank(host: string): number {
  if (host === '') return 2;
  return isStar(host) ? 1 : 0;
}

function isStar(host: string): boolean {
  return host.startsWith('*.');
}

const RANKS = { literal: 0, partial: 1, param: 2, wildcard: 4 } as const;
/** Of an expression, at the place of its first segment that is not plain text. */
const EXPRESSION_RANK = 3;

interface RankedSegment {
  readonly rank: number;
  readonly text: string;
}

function comparePaths(one: RoutePattern, other: RoutePattern): number {
  const [mine, theirs] = [rankedSegments(one), rankedSegments(other)];
  for (let at = 0; at < Math.max(mine.length, theirs.length); at += 1) {
    const [first, second] = [mine[at], theirs[at]];
    if (first === undefined) return -1;
    if (second === undefined) return 1;
    const order = first.rank - second.rank || comparePartials(first, second);
    if (order !== 0) return order;
  }
  return 0;
}

function comparePartials(first: RankedSegment, second: RankedSegment): number {
  if (first.text === second.text) return 0;
  const isPartial = first.rank === RANKS.partial;
  return (
    (isPartial ? fixedChars(second) - fixedChars(first) : 0) ||
    compareTexts(first.text, second.text)
  );
}

function fixedChars({ text }: RankedSegment): number {
  return text.replace(/:(?:\(.*\))?/g, '').length;
}

function rankedSegments({ path, expression = '' }: RoutePattern): RankedSegment[] {
  if (expression !== '') {
    const literals = literalPrefix(expression).map((text) => ({ rank: RANKS.literal, text }));
    return [...literals, { rank: EXPRESSION_RANK, text: '' }];
  }
  const parsed = parsePathPattern(path);
  return parsed.isValid ? parsed.segments.map(rankedSegment) : [];
}

function rankedSegment(segment: PatternSegment): RankedSegment {
  return { rank: RANKS[segment.kind], text: patternShape([segment]) };
}

function compareTexts(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
