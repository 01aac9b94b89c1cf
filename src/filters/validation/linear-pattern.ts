/**
 * Patterns of schemas, matched in time that grows with the text and not faster.
 *
 * Thread: any (pure). The operator writes the pattern and a stranger the text: a backtracking
 * matcher can be made to run for hours by a text of forty characters. So only patterns with
 * nothing to go back to are left to the native matcher, which is the quicker one. All others go to
 * RE2, and what RE2 cannot do is refused when the configuration is loaded.
 *
 * Conditions at the start, `^(?=…)(?!…)…`, are patterns of their own at the same place: these are
 * matched one after the other, which keeps the usual rules for passwords.
 */
import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { toRe2, UntranslatableError } from './re2-pattern.js';

/** Loaded when a pattern needs it. */
const load = createRequire(import.meta.url);

/** What ajv needs of a regular expression. */
export interface Matcher {
  test(text: string): boolean;
}

interface Condition {
  readonly matcher: Matcher;
  readonly isWanted: boolean;
}

/** A pattern of ECMA-262 with the flag `u`. */
export class LinearPattern implements Matcher {
  private readonly conditions: readonly Condition[];

  /** @throws Error the pattern is malformed, or cannot be matched in linear time. */
  constructor(private readonly pattern: string) {
    const { bare, ignoresCase } = splitFlags(pattern);
    // The native parser is the judge of what a pattern is.
    new RegExp(bare, 'u');
    const { leading, rest } = splitLeadingConditions(bare);
    const match = (one: string): Matcher => matcherOf(one, ignoresCase);
    this.conditions = [
      ...leading.map(({ body, isWanted }) => ({ matcher: match(`^(?:${body})`), isWanted })),
      { matcher: match(rest), isWanted: true },
    ];
  }

  test(text: string): boolean {
    return this.conditions.every(({ matcher, isWanted }) => matcher.test(text) === isWanted);
  }

  /** ajv tells patterns apart by this. */
  toString(): string {
    return `/${this.pattern}/u`;
  }
}

/** How the code of a schema reaches `linearPatterns`: see schema-code.ts. */
export const PATTERNS_IN_CODE = 'own.linearPatterns';

/** Loads RE2, which takes longer than a request may wait for it. */
export function preloadPatterns(): void {
  load('re2js');
}

/** For ajv's option `code.regExp`. */
export const linearPatterns = Object.assign(
  (pattern: string): LinearPattern => new LinearPattern(pattern),
  { code: PATTERNS_IN_CODE },
);

/** What is wrong with an expression, if it is malformed or cannot be matched in linear time. */
export function expressionProblem(expression: string): string | undefined {
  try {
    new LinearPattern(expression);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** `(?i)` at the start, as other languages have it: upper and lower case are the same. */
function splitFlags(pattern: string): { readonly bare: string; readonly ignoresCase: boolean } {
  const [flags = '', anchor = ''] = /^(\^?)\(\?i\)/.exec(pattern) ?? [];
  if (flags === '') return { bare: pattern, ignoresCase: false };
  return { bare: anchor + pattern.slice(flags.length), ignoresCase: true };
}

function matcherOf(pattern: string, ignoresCase: boolean): Matcher {
  if (!isPlain(pattern)) return compileRe2(pattern, ignoresCase);
  return new RegExp(pattern, ignoresCase ? 'iu' : 'u');
}

function compileRe2(pattern: string, ignoresCase: boolean): RE2JS {
  const { RE2JS: engine } = load('re2js') as typeof import('re2js');
  try {
    return engine.compile(toRe2(pattern), ignoresCase ? engine.CASE_INSENSITIVE : 0);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = error instanceof UntranslatableError ? '' : '; the syntax of RE2 holds here';
    throw new Error(
      `pattern ${JSON.stringify(pattern)} cannot be matched in linear time: ${reason}${hint}`,
    );
  }
}

/** Characters that the native matcher may look at again from each place where it began. */
const AGAIN_MAX = 64;

/**
 * Whether the native matcher has next to nothing to go back to. There are no alternatives and no
 * groups. From the start of the text there may be one part whose length is not fixed, with little
 * behind it; a pattern that may begin anywhere has a fixed length, and a short one.
 */
export function isPlain(pattern: string): boolean {
  const bare = pattern
    .replace(/\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|.)/gsu, (part) =>
      /[1-9k]/.test(part[1] ?? '') ? '|' : 'x',
    )
    .replace(/\[[^\]]*\]/gu, 'x');
  if (/[|(]/.test(bare)) return false;
  const [before = '', behind, ...others] = bare.split(/[*+?]\??|\{\d+,\d*\}\??/);
  if (others.length > 0) return false;
  if (!bare.startsWith('^')) return behind === undefined && lengthOf(before) <= AGAIN_MAX;
  return behind === undefined || lengthOf(behind) <= AGAIN_MAX;
}

/** Most characters that the parts of fixed length can match. */
function lengthOf(bare: string): number {
  const counts = Array.from(bare.matchAll(/\{(\d+)\}/g), ([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, bare.length);
}

interface LeadingCondition {
  readonly body: string;
  readonly isWanted: boolean;
}

/** `^(?=a)(?!b)c` as the conditions a and not b, and `^c`. */
function splitLeadingConditions(pattern: string): {
  readonly leading: readonly LeadingCondition[];
  readonly rest: string;
} {
  const leading: LeadingCondition[] = [];
  if (!pattern.startsWith('^')) return { leading, rest: pattern };
  let at = 1;
  while (pattern.startsWith('(?=', at) || pattern.startsWith('(?!', at)) {
    const end = groupEnd(pattern, at);
    leading.push({ body: pattern.slice(at + 3, end), isWanted: pattern[at + 2] === '=' });
    at = end + 1;
  }
  // An alternative behind them would not stand under them.
  if (leading.length > 0 && hasAlternatives(pattern.slice(at)))
    return { leading: [], rest: pattern };
  return { leading, rest: `^${pattern.slice(at)}` };
}

/** Where the group ends that begins at `start`. */
function groupEnd(pattern: string, start: number): number {
  for (const { at, depth } of syntaxChars(pattern, start)) if (depth === 0) return at;
  return pattern.length;
}

/** Whether there is a `|` outside of all groups. */
function hasAlternatives(pattern: string): boolean {
  for (const { char, depth } of syntaxChars(pattern, 0)) {
    if (char === '|' && depth === 0) return true;
  }
  return false;
}

interface SyntaxChar {
  readonly char: string;
  readonly at: number;
  /** Groups that are open behind it. */
  readonly depth: number;
}

/** Parentheses and bars that are neither escaped nor in a class. */
function* syntaxChars(pattern: string, start: number): Generator<SyntaxChar> {
  let isInClass = false;
  let depth = 0;
  for (let at = start; at < pattern.length; at += 1) {
    const char = pattern[at] ?? '';
    if (char === '\\') at += 1;
    else if (char === '[') isInClass = true;
    else if (char === ']') isInClass = false;
    else if (!isInClass && '()|'.includes(char)) {
      if (char === '(') depth += 1;
      else if (char === ')') depth -= 1;
      yield { char, at, depth };
    }
  }
}
