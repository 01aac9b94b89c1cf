// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the text under test has them.
import { describe, expect, it } from 'vitest';
import { substituteVariables } from '../../../../src/config/source/variables.js';

const ENVIRONMENT = { A: 'one', B: 'two', EMPTY: '', TRICKY: '${A} }{ \n- x: y' };

describe('substituteVariables', () => {
  it.each([
    ['plain', 'plain'],
    ['$5 and $A', '$5 and $A'],
    ['${A}', 'one'],
    ['x${A}y${B}z', 'xoneytwoz'],
    ['${A}${B}', 'onetwo'],
    ['${MISSING:-fallback}', 'fallback'],
    ['${MISSING:-}', ''],
    ['${MISSING:-a:-b}', 'a:-b'],
    ['${EMPTY:-fallback}', 'fallback'],
    ['${EMPTY}', ''],
    ['$${A}', '${A}'],
    ['$${A}${A}', '${A}one'],
    ['${A}$${B}', 'one${B}'],
    ['$$${A}', '$${A}'],
    ['$${', '${'],
  ])('makes of %j %j', (scalar, text) => {
    const substitution = substituteVariables(scalar, ENVIRONMENT);
    expect(substitution.text).toBe(text);
    expect(substitution.problems).toEqual([]);
  });

  it('does not look into what a variable holds', () => {
    expect(substituteVariables('<${TRICKY}>', ENVIRONMENT).text).toBe('<${A} }{ \n- x: y>');
  });

  it.each([
    ['${A}', true],
    ['${MISSING:-8080}', true],
    ['${A} ', false],
    ['x${A}', false],
    ['${A}${B}', false],
    ['$${A}', false],
    ['plain', false],
  ])('knows whether %j is one variable and nothing else', (scalar, isWhole) => {
    expect(substituteVariables(scalar, ENVIRONMENT).isWhole).toBe(isWhole);
  });

  it('names the first variable, so that messages can speak of it', () => {
    expect(substituteVariables('${B}${A}', ENVIRONMENT).variable).toBe('B');
    expect(substituteVariables('plain $${A}', ENVIRONMENT).variable).toBeUndefined();
  });

  it('reports each variable that is missing', () => {
    const { problems } = substituteVariables('${X1} ${X2} ${A}', ENVIRONMENT);
    expect(problems).toEqual([
      'the environment variable X1 is not set and has no default',
      'the environment variable X2 is not set and has no default',
    ]);
  });

  it.each(['${}', '${1A}', '${A-b}', '${ A }', '${A:b}', '${:-x}'])('refuses %j', (scalar) => {
    const { problems } = substituteVariables(scalar, ENVIRONMENT);
    expect(problems[0]).toContain('a variable is written ${NAME}');
  });

  it.each([
    // With A set, its value would be followed by what stands behind the first brace.
    ...['${A:-${B}}', '${MISSING:-${B}}', '${A:-{}}', '${MISSING:-{"a": 1}}'],
    ...['${MISSING:-a{b}', 'x${MISSING:-${B:-c}}y'],
  ])('refuses braces in a default: %j', (scalar) => {
    const { problems } = substituteVariables(scalar, ENVIRONMENT);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^the default of \$\{(A|MISSING)\} must not hold "\{"/);
  });

  it('reports a variable without an end', () => {
    expect(substituteVariables('a ${A', ENVIRONMENT).problems[0]).toContain('has no "}"');
  });

  it('does not take inherited properties for variables', () => {
    const { problems } = substituteVariables('${toString} ${constructor}', ENVIRONMENT);
    expect(problems).toHaveLength(2);
  });
});
