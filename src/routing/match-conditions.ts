/**
 * Whether a request meets the conditions of a route.
 *
 * Thread: any (pure). A field, parameter or cookie that occurs more than once meets a condition
 * when one of its values does, and one that is negated when none of them does.
 */
import { assertNever } from '../base/assert.js';
import type { MatchCondition, RoutedRequest } from './route-pattern.js';

/** Matches in time that is linear in the length of the text. */
export interface LinearMatcher {
  test(text: string): boolean;
}

/** Makes a matcher of a regular expression. Throws when it cannot be matched in linear time. */
export type MatcherFactory = (expression: string) => LinearMatcher;

/** All conditions of one route. */
export type ConditionCheck = (request: RoutedRequest) => boolean;

export function compileConditions(
  conditions: readonly MatchCondition[],
  compile: MatcherFactory,
): ConditionCheck {
  const checks = conditions.map((condition) => {
    const check = compileCondition(condition, compile);
    return condition.isNot === true ? (request: RoutedRequest) => !check(request) : check;
  });
  return (request) => {
    for (const check of checks) if (!check(request)) return false;
    return true;
  };
}

function compileCondition(
  { source, name, test, value }: MatchCondition,
  compile: MatcherFactory,
): ConditionCheck {
  switch (test) {
    case 'present':
      return (request) => request.valuesOf(source, name).length > 0;
    case 'absent':
      return (request) => request.valuesOf(source, name).length === 0;
    case 'exact':
      return (request) => request.valuesOf(source, name).includes(value);
    case 'prefix':
      return (request) => request.valuesOf(source, name).some((one) => one.startsWith(value));
    case 'pattern': {
      const matcher = compile(wholeText(value));
      return (request) => request.valuesOf(source, name).some((one) => matcher.test(one));
    }
    case 'oneOf': {
      const values = new Set(value.split('\n'));
      return (request) => request.valuesOf(source, name).some((one) => values.has(one));
    }
    default:
      return assertNever(test);
  }
}

/** The expression for the whole of a text. */
export function wholeText(expression: string): string {
  return expression.includes('|') ? `^(?:${expression})$` : `^${expression}$`;
}

/** Whether no request can meet both lists. False when this cannot be decided. */
export function areDisjoint(
  one: readonly MatchCondition[],
  other: readonly MatchCondition[],
): boolean {
  return one.some((first) => other.some((second) => excludes(first, second)));
}

/**
 * A name may occur more than once with different values, so two exact values exclude each other
 * only in requests without that mistake. Such requests are assumed.
 */
function excludes(one: MatchCondition, other: MatchCondition): boolean {
  if (one.source !== other.source || one.name !== other.name) return false;
  if (one.isNot === true) return other.isNot !== true && implies(other, one);
  if (other.isNot === true) return implies(one, other);
  if (one.test === 'absent') return other.test !== 'absent';
  if (other.test === 'absent') return true;
  if (one.test === 'oneOf' && other.test === 'oneOf') {
    const values = other.value.split('\n');
    return !one.value.split('\n').some((value) => values.includes(value));
  }
  if (one.test === 'exact' && other.test === 'exact') return one.value !== other.value;
  if (one.test === 'exact' && other.test === 'prefix') return !one.value.startsWith(other.value);
  if (one.test === 'prefix' && other.test === 'exact') return !other.value.startsWith(one.value);
  if (one.test === 'prefix' && other.test === 'prefix') {
    return !one.value.startsWith(other.value) && !other.value.startsWith(one.value);
  }
  return false;
}

/** Whether a value that meets the test of `one` meets that of `other`. False: not for sure. */
function implies(one: MatchCondition, other: MatchCondition): boolean {
  if (one.test === other.test && one.value === other.value) return true;
  if (other.test === 'present') return one.test !== 'absent';
  const hasStart = one.test === 'exact' || one.test === 'prefix';
  return hasStart && other.test === 'prefix' && one.value.startsWith(other.value);
}
