/**
 * Why a route's path takes a path or does not, and which of two that do is the more exact.
 *
 * Thread: any (pure). Only says why: what is taken is decided by routing/route-table.ts, and a test
 * holds the two against each other.
 */

/** A path is taken, or this is where it parts from the pattern. */
export type PathMatch =
  | { readonly isMatch: true }
  | {
      readonly isMatch: false;
      readonly why: string;
      /** Segments that agree; the more, the nearer. */
      readonly agreed: number;
    };

const MATCH: PathMatch = { isMatch: true };

/** `pattern` as the configuration has it, `path` normalised. */
export function matchPath(pattern: string, path: string): PathMatch {
  const wanted = segmentsOf(pattern);
  const given = segmentsOf(path);
  for (const [at, want] of wanted.entries()) {
    // Also without anything in its place: a prefix takes its bare path.
    if (want === '*') return MATCH;
    const have = given[at];
    if (have === undefined) return differs(at, `goes on with "/${wanted.slice(at).join('/')}"`);
    if (isParameter(want)) {
      if (have === '') return differs(at, `needs something for ${want}`);
    } else if (want !== have) return differs(at, segmentText(at, want, have));
  }
  if (given.length === wanted.length) return MATCH;
  const rest = given.slice(wanted.length).join('/');
  const why = rest === '' ? 'ends without a slash' : `ends before "/${rest}"`;
  return differs(wanted.length, why);
}

/** Where and why the second pattern loses to the first; both take the path. */
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

function isParameter(segment: string): boolean {
  return segment.startsWith(':');
}

function segmentsOf(path: string): string[] {
  return path.split('/').slice(1);
}
