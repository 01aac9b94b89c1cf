/**
 * Explains why a route's path matches or does not, and which of two matching paths is more exact.
 *
 * Thread: any (pure). routing/route-table.ts decides; this file only gives reasons, and a test
 * checks that both agree.
 */
import { linearPatterns } from '../filters/validation/linear-pattern.js';
import { type PatternSegment, parsePathPattern } from '../routing/path-pattern.js';
import { compileSegment } from '../routing/segment-matcher.js';

/** The path matches, or the place where it differs from the pattern. */
export type PathMatch =
  | { readonly isMatch: true }
  | {
      readonly isMatch: false;
      readonly why: string;
      /** Number of segments that agree; the more, the nearer. */
      readonly agreed: number;
    };

const MATCH: PathMatch = { isMatch: true };

/** `pattern` as the configuration has it, `path` normalised. */
export function matchPath(pattern: string, path: string): PathMatch {
  const parsed = parsePathPattern(pattern);
  const segments = parsed.isValid ? parsed.segments : [];
  const wanted = segmentsOf(pattern);
  const given = segmentsOf(path);
  for (const [at, segment] of segments.entries()) {
    // A star also matches nothing: a prefix takes its bare path.
    if (segment.kind === 'wildcard') return MATCH;
    const [want = '', have] = [wanted[at], given[at]];
    if (have === undefined) return differs(at, `goes on with "/${wanted.slice(at).join('/')}"`);
    if (takesSegment(segment, have)) continue;
    const isEmpty = have === '' && segment.kind !== 'literal';
    return differs(at, isEmpty ? `needs something for ${want}` : segmentText(at, want, have));
  }
  if (given.length === segments.length) return MATCH;
  const rest = given.slice(segments.length).join('/');
  const why = rest === '' ? 'ends without a slash' : `ends before "/${rest}"`;
  return differs(segments.length, why);
}

function takesSegment(segment: PatternSegment, text: string): boolean {
  if (segment.kind === 'literal') return segment.text === text;
  if (segment.kind !== 'partial') return text !== '';
  return compileSegment(segment.parts, linearPatterns)(text, 0, text.length, () => {});
}

/** Where and why the second pattern loses to the first; both match the path. */
export function whyLessExact(winner: string, loser: string): string {
  const [won, lost] = [segmentsOf(winner), segmentsOf(loser)];
  for (let at = 0; at < Math.max(won.length, lost.length); at += 1) {
    const [there, here] = [won[at], lost[at]];
    if (there === here) continue;
    if (there === undefined) return 'the path is only the bare prefix of this one';
    return `segment ${at + 1} is "${here}" here and "${there}" there`;
  }
  return 'the two have one path';
}

function segmentText(at: number, want: string, have: string): string {
  const hint = want.toLowerCase() === have.toLowerCase() ? ' (case counts)' : '';
  return `segment ${at + 1} is "${want}", not "${have}"${hint}`;
}

function differs(agreed: number, why: string): PathMatch {
  return { isMatch: false, why, agreed };
}

function segmentsOf(path: string): string[] {
  return path.split('/').slice(1);
}
