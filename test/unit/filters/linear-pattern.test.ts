import { createContext, Script } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPlain, LinearPattern } from '../../../src/filters/validation/linear-pattern.js';
import {
  createSchemaEngine,
  schemaProblem,
} from '../../../src/filters/validation/schema-engine.js';
import { runs } from '../../support/long-form.js';

/**
 * Pieces of patterns; each is one on its own. Without `\B`: V8 finds it between the halves of a
 * character above U+FFFF, where ECMA-262 sees no place at all.
 */
const ATOMS = [
  'a',
  'é',
  '😀',
  '.',
  '\\.',
  '\\/',
  '\\d',
  '\\D',
  '\\w',
  '\\W',
  '\\s',
  '\\S',
  '\\n',
  '\\v',
  '\\0',
  '\\cJ',
  '\\x41',
  '\\u0041',
  '\\u{1F600}',
  '\\ud83d\\ude00',
  '\\p{L}',
  '\\p{Letter}',
  '\\P{Uppercase_Letter}',
  '\\p{Script=Greek}',
  '\\p{gc=Decimal_Number}',
  '[a-c]',
  '[^a-c]',
  '[\\d_-]',
  '[-a]',
  '[a-]',
  '[\\s\\w]',
  '[^\\s]',
  '[^\\S]',
  '[\\p{L}0]',
  '[.*+?(){}|^$]',
  '[[:a]',
  '[\\b\\]\\\\]',
  '[\\u{1F600}-\\u{1F64F}]',
  '[😀-😃]',
  '[]',
  '[^]',
  '\\p{ASCII}',
  '[\\P{ASCII}a]',
  '\\p{Any}',
  '\\b',
  '^',
  '$',
];
const COUNTS = ['', '', '', '*', '+', '?', '{2}', '{1,}', '{0,3}', '*?', '+?'];
const CHARS = [
  ...'aAbzZ0_9é αΑ.*-/\\]|$\n\r\t\v\0',
  '😀',
  '😃',
  '\u00a0',
  '\u2028',
  '\ud800',
  '\b',
  '\ufeff',
];

const anAtom = fc
  .tuple(fc.constantFrom(...ATOMS), fc.constantFrom(...COUNTS))
  .map(([atom, count]) => {
    const isAssertion = ['\\b', '^', '$'].includes(atom);
    return isAssertion ? atom : atom + count;
  });
const { pattern: aPattern } = fc.letrec<{ pattern: string; term: string }>((tie) => ({
  term: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 4, arbitrary: anAtom },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom('(', '(?:', '(?<name>'), tie('pattern'), fc.constantFrom(...COUNTS))
        .map(([open, inner, count]) => `${open}${inner})${count}`),
    },
  ),
  pattern: fc
    .tuple(
      fc.array(tie('term'), { minLength: 1, maxLength: 4 }),
      fc.option(tie('term'), { nil: '' }),
    )
    .map(([terms, other]) => (other === '' ? terms.join('') : `${terms.join('')}|${other}`)),
}));
const aText = fc.array(fc.constantFrom(...CHARS), { maxLength: 8 }).map((all) => all.join(''));
const aCondition = fc
  .tuple(fc.constantFrom('(?=', '(?!'), aPattern)
  .map(([open, inner]) => `${open}${inner})`);

/** Undefined: it is not a pattern (a group has the name of another one). */
function nativeOf(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
}

const ORACLE = createContext({});
const ASK_ORACLE = new Script('matcher.test(text)');
const ORACLE_MS_MAX = 1000;

/** What the native matcher says; null: it went back and forth for too long to be asked. */
function nativeAnswer(matcher: RegExp, text: string): boolean | null {
  Object.assign(ORACLE, { matcher, text });
  try {
    return ASK_ORACLE.runInContext(ORACLE, { timeout: ORACLE_MS_MAX });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return null;
    throw error;
  }
}

/** Compares the two matchers; false: the native one did not come to an end. */
function expectSame(linear: LinearPattern, native: RegExp, text: string): boolean {
  const answer = nativeAnswer(native, text);
  if (answer === null) return false;
  if (linear.test(text) !== answer) expect.fail(`${native} with ${text}: ${!answer}`);
  return true;
}

describe('a pattern of a schema', () => {
  it('is compared with a native matcher that may not take for ever', () => {
    const text = `${'a'.repeat(40)}!`;
    expect(nativeAnswer(/^(a+)+$/u, text)).toBeNull();
    expect(nativeAnswer(/^a+!$/u, text)).toBe(true);
    expect(new LinearPattern('^(a+)+$').test(text)).toBe(false);
  });

  it('matches what the native matcher matches', () => {
    let compared = 0;
    fc.assert(
      fc.property(aPattern, fc.array(aText, { minLength: 1, maxLength: 6 }), (pattern, texts) => {
        const native = nativeOf(pattern);
        if (native === undefined) return;
        const linear = new LinearPattern(pattern);
        for (const text of texts) if (expectSame(linear, native, text)) compared += 1;
      }),
      runs(3000),
    );
    expect(compared).toBeGreaterThan(700);
  });

  it('matches so with conditions before it', () => {
    const conditions = fc.array(aCondition, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(conditions, anAtom, fc.array(aText, { minLength: 1 }), (all, rest, texts) => {
        const pattern = `^${all.join('')}${rest}`;
        const native = nativeOf(pattern);
        if (native === undefined) return;
        const linear = new LinearPattern(pattern);
        for (const text of texts) expectSame(linear, native, text);
      }),
      runs(1500),
    );
  });

  it('takes the usual rules of passwords', () => {
    const rule = new LinearPattern('^(?=.*[a-z])(?=.*[A-Z])(?=.*\\d)(?!.*\\s).{8,64}$');
    expect(rule.test('Passw0rd')).toBe(true);
    for (const bad of [
      'passw0rd',
      'PASSW0RD',
      'Password',
      'Pass w0rd',
      'Pw0',
      `Aa0${'x'.repeat(62)}`,
    ]) {
      expect(rule.test(bad)).toBe(false);
    }
  });

  // Each of these would keep the native matcher busy for longer than this test may take.
  it.each([
    ['^(a+)+$', 'a'],
    ['^(a|a)*$', 'a'],
    ['^([a-z]+)*@', 'a'],
    ['(x+x+)+y', 'x'],
    ['^(?=(a+)+b)a*$', 'a'],
    ['^(([a-z])+.)+[A-Z]([a-z])+$', 'a'],
    ['\\s+$', ' '],
    ['^.*.*.*.*.*=$', 'a'],
    ['[0-9a-f]{1000}$', 'a'],
    ['[ab]{900}c', 'a'],
    ['^a*a{1000}b', 'a'],
  ])('%s says no to a text that was made to hold it up', (pattern, char) => {
    expect(new LinearPattern(pattern).test(`${char.repeat(200_000)}!`)).toBe(false);
  });

  it.each([
    ['(a)\\1', 'refers back to a group'],
    ['(?<x>a)\\k<x>', 'refers back to a group'],
    ['a(?=b)', 'looks ahead or behind'],
    ['(?<!a)b', 'looks ahead or behind'],
    ['^(?=a)b|c', 'looks ahead or behind'],
    ['^(?=a(?!b))', 'looks ahead or behind'],
    ['(?:a{1,100}){1,100}', 'invalid repeat count'],
    ['^(?:.|\\n){0,5000}$', 'minLength and maxLength can say it'],
    ['^[a-z]{1,64}@[a-z.]{1,1500}$', 'minLength and maxLength can say it'],
    ['(?=.*\\d).{8,}', 'behind ^'],
    ['\\p{scx=Greek}+', 'there is no'],
  ])('%s is refused when the configuration is loaded, with what to do', (pattern, reason) => {
    const problem = schemaProblem({ type: 'string', pattern }, '2020-12');
    expect(problem).toContain(reason);
  });

  it('that is none is refused as before', () => {
    expect(schemaProblem({ type: 'string', pattern: '(' }, '2020-12')).toMatch(
      /Invalid regular exp/,
    );
  });

  it('is left to the native matcher where it has nothing to go back to', () => {
    for (const plain of [
      '^[a-z]+$',
      '^\\p{L}{1,5000}$',
      '^a{2}[(|)]\\(*$',
      'abc',
      '\\d{4}',
      '^$',
    ]) {
      expect([plain, isPlain(plain)]).toEqual([plain, true]);
    }
    for (const other of [
      '[a-z]+',
      '^a*b*',
      '^(ab)+',
      '^a|b',
      '^(?=a)',
      '\\s+$',
      '^a?b{1,2}',
      'a{100}',
      '^a*b{100}',
    ]) {
      expect([other, isPlain(other)]).toEqual([other, false]);
    }
  });

  it('is told from other patterns of the same schema', () => {
    const validate = createSchemaEngine('2020-12').compile({
      type: 'object',
      properties: { a: { pattern: '^(x|y)+$' }, b: { pattern: '^(1|2)+$' } },
      patternProperties: { '^(k|l)+\\d$': { const: 1 } },
    });
    expect(validate({ a: 'xy', b: '12', kl3: 1 })).toBe(true);
    expect(validate({ a: '12' })).toBe(false);
    expect(validate({ b: 'xy' })).toBe(false);
    expect(validate({ kl3: 2 })).toBe(false);
  });
});
