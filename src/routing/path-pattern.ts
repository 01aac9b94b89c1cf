/**
 * The path patterns of routes: `/exact`, `/with/:param`, `/files/:name.pdf`, `/tasks/:id\:cancel`,
 * `/orders/:id([0-9]+)`, `/prefix/*`.
 *
 * Thread: any (pure). A pattern is read segment by segment, so that two readers of one URL cannot
 * understand it differently. The expression of a parameter is only text here; the matcher compiles
 * it for linear time.
 */

/** A parameter inside a segment; `expression` is empty when any text matches. */
export interface SegmentParam {
  readonly name: string;
  readonly expression: string;
}

/** Fixed text, or a parameter. */
export type SegmentPart = string | SegmentParam;

/** One segment of a pattern. */
export type PatternSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'param'; readonly name: string }
  /** Parameters with fixed text beside them, or one with an expression. */
  | { readonly kind: 'partial'; readonly parts: readonly SegmentPart[] }
  | { readonly kind: 'wildcard' };

/** A parsed pattern, or what is wrong with it. */
export type PathPattern =
  | { readonly isValid: true; readonly segments: readonly PatternSegment[] }
  | { readonly isValid: false; readonly problem: string };

/** Characters without a special meaning. */
const LITERAL_CHAR = /[A-Za-z0-9._~!$&'+,;=@-]/;
/** Characters with a special meaning, which a backslash removes. */
const ESCAPED_CHAR = /[:*()]/;
const PARAM_NAME = /:([A-Za-z_][A-Za-z0-9_]*)/y;

const STAR_PROBLEM = 'may have one "*", as the whole last segment';
const PARAM_PROBLEM = 'takes parameters as ":name" of letters, digits and "_"';

/** Parses the pattern of a route. */
export function parsePathPattern(path: string): PathPattern {
  if (!path.startsWith('/')) return problem('must begin with "/"');
  const texts = path.slice(1).split('/');
  const segments: PatternSegment[] = [];
  const names = new Set<string>();
  for (const [index, text] of texts.entries()) {
    const segment = parseSegment(text, index === texts.length - 1);
    if (typeof segment === 'string') return problem(segment);
    for (const name of paramNames(segment)) {
      if (names.has(name)) return problem(`names the parameter :${name} twice`);
      names.add(name);
    }
    segments.push(segment);
  }
  return { isValid: true, segments };
}

/** Names of the parameters, in the order of the path, without the star. */
export function paramNames(segment: PatternSegment): string[] {
  if (segment.kind === 'param') return [segment.name];
  if (segment.kind !== 'partial') return [];
  return segment.parts.flatMap((part) => (typeof part === 'string' ? [] : [part.name]));
}

/** Expressions of the parameters of a pattern. */
export function paramExpressions(segments: readonly PatternSegment[]): string[] {
  return segments.flatMap((segment) =>
    segment.kind !== 'partial'
      ? []
      : segment.parts.flatMap((part) =>
          typeof part === 'string' || part.expression === '' ? [] : [part.expression],
        ),
  );
}

/** Equal for patterns that match the same paths: the names of parameters do not matter. */
export function patternShape(segments: readonly PatternSegment[]): string {
  return segments.map((segment) => `/${segmentShape(segment)}`).join('');
}

/** Why a route with this pattern cannot strip the prefix; undefined: it can. */
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

/** The segment, or what is wrong with it. */
function parseSegment(text: string, isLast: boolean): PatternSegment | string {
  if (text === '' && !isLast) return 'must not contain "//"';
  if (text === '.' || text === '..') return 'must not contain the segments "." or ".."';
  if (text === '*') return isLast ? { kind: 'wildcard' } : STAR_PROBLEM;
  const parts = parseParts(text);
  return typeof parts === 'string' ? parts : toSegment(parts);
}

function toSegment(parts: readonly SegmentPart[]): PatternSegment | string {
  const [first = '', ...others] = parts;
  if (others.length === 0) {
    if (typeof first === 'string') return { kind: 'literal', text: first };
    if (first.expression === '') return { kind: 'param', name: first.name };
  }
  const params = parts.filter((part) => typeof part !== 'string');
  const isConstrained = params.some(({ expression }) => expression !== '');
  if (isConstrained && params.length > 1) {
    return 'may give one parameter of a segment an expression, if there is no other one in it';
  }
  return { kind: 'partial', parts };
}

/** Fixed texts and parameters in turn; no two of a kind stand side by side. */
function parseParts(text: string): SegmentPart[] | string {
  const parts: SegmentPart[] = [];
  let literal = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === ':') {
      const param = parseParam(text, at);
      if (typeof param === 'string') return param;
      if (literal === '' && parts.length > 0) return 'needs fixed text between two parameters';
      if (literal !== '') parts.push(literal);
      parts.push(param.part);
      literal = '';
      at = param.end - 1;
    } else if (char === '\\' && ESCAPED_CHAR.test(text.charAt(at + 1))) {
      at += 1;
      literal += text.charAt(at);
    } else {
      const wrong = charProblem(char, text);
      if (wrong !== undefined) return wrong;
      literal += char;
    }
  }
  return literal === '' ? parts : [...parts, literal];
}

function parseParam(text: string, at: number): { part: SegmentParam; end: number } | string {
  PARAM_NAME.lastIndex = at;
  const [whole = '', name] = PARAM_NAME.exec(text) ?? [];
  if (name === undefined) return PARAM_PROBLEM;
  const end = at + whole.length;
  if (text.charAt(end) !== '(') return { part: { name, expression: '' }, end };
  const close = closingParenthesis(text, end);
  if (close === -1) return `does not close the expression of :${name} in its segment`;
  const expression = text.slice(end + 1, close);
  if (expression === '') return `has an empty expression for :${name}`;
  return { part: { name, expression }, end: close + 1 };
}

/** The position of the parenthesis that closes the group at `open`; -1: there is none. */
function closingParenthesis(text: string, open: number): number {
  let depth = 0;
  let isInClass = false;
  for (let at = open; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '\\') at += 1;
    else if (isInClass) isInClass = char !== ']';
    else if (char === '[') isInClass = true;
    else if (char === '(') depth += 1;
    else if (char === ')') {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return -1;
}

const PARAMETER_INSTEAD = 'take such a segment with a parameter or "*"';

function charProblem(char: string, text: string): string | undefined {
  if (LITERAL_CHAR.test(char)) return undefined;
  if (char === '?' || char === '#') return 'must be a path without "?" or "#"';
  if (char === '*') return STAR_PROBLEM;
  if (char === '{' || char === '}') return 'has "{" or "}": a parameter is written ":name"';
  if (char === '%') return percentProblem(text);
  return `cannot have ${JSON.stringify(char)}: ${PARAMETER_INSTEAD}`;
}

function percentProblem(text: string): string {
  const plain = text.replace(/%([0-9A-Fa-f]{2})/g, (match, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : match;
  });
  if (plain !== text) return 'must not percent-encode letters, digits, "-", ".", "_" or "~"';
  return `must not contain "%": ${PARAMETER_INSTEAD}`;
}

function segmentShape(segment: PatternSegment): string {
  if (segment.kind === 'wildcard') return '*';
  if (segment.kind === 'param') return ':';
  return segment.kind === 'literal' ? escaped(segment.text) : partsShape(segment.parts);
}

/** Equal for segments that match the same texts. */
export function partsShape(parts: readonly SegmentPart[]): string {
  return parts
    .map((part) => {
      if (typeof part === 'string') return escaped(part);
      return part.expression === '' ? ':' : `:(${part.expression})`;
    })
    .join('');
}

function escaped(text: string): string {
  return text.replace(/[:*()]/g, '\\$&');
}
