/**
 * The path patterns of routes: `/exact`, `/with/:param`, `/prefix/*`.
 *
 * Thread: any (pure). Deliberately small: no regular expressions, whose cost a client could
 * choose, and nothing that two readers of one URL may understand differently.
 */

/** One segment of a pattern. */
export type PatternSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'wildcard' };

/** A parsed pattern, or what is wrong with it. */
export type PathPattern =
  | { readonly isValid: true; readonly segments: readonly PatternSegment[] }
  | { readonly isValid: false; readonly problem: string };

const LITERAL = /^[A-Za-z0-9._~!$&'+,;=@-]*$/;
const PARAM = /^:[A-Za-z_][A-Za-z0-9_]*$/;

/** Parses the pattern of a route. */
export function parsePathPattern(path: string): PathPattern {
  if (!path.startsWith('/')) return problem('must begin with "/"');
  if (/[?#]/.test(path)) return problem('must be a path without "?" or "#"');
  const texts = path.slice(1).split('/');
  const segments: PatternSegment[] = [];
  const names = new Set<string>();
  for (const [index, text] of texts.entries()) {
    const isLast = index === texts.length - 1;
    const wrong = segmentProblem(text, isLast);
    if (wrong !== undefined) return problem(wrong);
    const segment = toSegment(text);
    if (segment.kind === 'param') {
      if (names.has(segment.name)) return problem(`names the parameter :${segment.name} twice`);
      names.add(segment.name);
    }
    segments.push(segment);
  }
  return { isValid: true, segments };
}

/** Same text for patterns that match the same paths: the names of parameters do not matter. */
export function patternShape(segments: readonly PatternSegment[]): string {
  return segments.map((segment) => `/${segmentShape(segment)}`).join('');
}

/** What is wrong with a prefix that a route with this pattern is to cut off, if anything is. */
export function stripPrefixProblem(
  prefix: string,
  segments: readonly PatternSegment[],
): string | undefined {
  if (!prefix.startsWith('/')) return 'must begin with "/"';
  if (prefix.endsWith('/')) return 'must not end with "/"';
  const texts = prefix.slice(1).split('/');
  const isPrefix = texts.every((text, index) => {
    const segment = segments[index];
    return segment?.kind === 'literal' && segment.text === text;
  });
  return isPrefix ? undefined : "must be whole segments at the start of the route's path";
}

function problem(text: string): PathPattern {
  return { isValid: false, problem: text };
}

function segmentProblem(text: string, isLast: boolean): string | undefined {
  if (text === '') return isLast ? undefined : 'must not contain "//"';
  if (text === '.' || text === '..') return 'must not contain the segments "." or ".."';
  if (text.includes('%')) return percentProblem(text);
  if (text.includes('*')) {
    return text === '*' && isLast ? undefined : 'may have one "*", as the whole last segment';
  }
  if (text.includes(':')) {
    return PARAM.test(text)
      ? undefined
      : 'takes parameters as whole segments: "/:name" of letters, digits and "_"';
  }
  return LITERAL.test(text) ? undefined : 'contains a character that has no place in a path';
}

function percentProblem(text: string): string {
  const plain = text.replace(/%([0-9A-Fa-f]{2})/g, (match, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : match;
  });
  if (plain !== text) return 'must not percent-encode letters, digits, "-", ".", "_" or "~"';
  return 'must not contain "%": take such a segment with a parameter or "*"';
}

function toSegment(text: string): PatternSegment {
  if (text === '*') return { kind: 'wildcard' };
  if (text.startsWith(':')) return { kind: 'param', name: text.slice(1) };
  return { kind: 'literal', text };
}

function segmentShape(segment: PatternSegment): string {
  if (segment.kind === 'wildcard') return '*';
  return segment.kind === 'param' ? ':' : segment.text;
}
