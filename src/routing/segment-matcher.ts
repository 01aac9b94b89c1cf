/**
 * Matches a segment with fixed text beside its parameters, such as `:name.pdf`, or one with an
 * expression, such as `:id([0-9]+)`.
 *
 * Thread: any (pure). No parameter is empty. A parameter ends where the fixed text behind it first
 * occurs, which finds a match whenever there is one.
 */
import { type MatcherFactory, wholeText } from './match-conditions.js';
import type { SegmentPart } from './path-pattern.js';

/** Reports which characters belong to a parameter. */
export type OnCapture = (from: number, to: number) => void;

/** Whether the characters from `from` to `to` of a path match. */
export type SegmentMatcher = (
  path: string,
  from: number,
  to: number,
  onCapture: OnCapture,
) => boolean;

export function compileSegment(
  parts: readonly SegmentPart[],
  compile: MatcherFactory,
): SegmentMatcher {
  const [first = ''] = parts;
  const prefix = typeof first === 'string' ? first : '';
  const last = parts.at(-1) ?? '';
  const suffix = parts.length > 1 && typeof last === 'string' ? last : '';
  const middle = parts.slice(prefix === '' ? 0 : 1, suffix === '' ? undefined : -1);
  const between = middle.filter((part) => typeof part === 'string');
  const expression = middle.find((part) => typeof part !== 'string')?.expression ?? '';
  const matcher = expression === '' ? null : compile(wholeText(expression));
  return (path, from, to, onCapture) => {
    const end = to - suffix.length;
    let at = from + prefix.length;
    if (at >= end || !path.startsWith(prefix, from) || !path.startsWith(suffix, end)) return false;
    for (const text of between) {
      const found = path.indexOf(text, at + 1);
      if (found === -1 || found + text.length >= end) return false;
      onCapture(at, found);
      at = found + text.length;
    }
    onCapture(at, end);
    return matcher === null || matcher.test(path.slice(at, end));
  };
}
