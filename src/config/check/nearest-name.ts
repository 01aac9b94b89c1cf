/**
 * Finds the name that a mistyped one was meant to be.
 *
 * Thread: any (pure). Edit distance with transpositions counted once, as people swap letters.
 */

/** Longer names are not compared: the cost grows with the product of the lengths. */
const NAME_LENGTH_MAX = 64;
/** Shorter ones are the beginning of too much. */
const ABBREVIATION_LENGTH_MIN = 3;

/** The closest of `candidates`, or undefined when none is close enough to be worth saying. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length === 0 || name.length > NAME_LENGTH_MAX) return undefined;
  const wanted = name.toLowerCase();
  let nearest: string | undefined;
  let nearestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    if (candidate.length > NAME_LENGTH_MAX) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance >= nearestDistance) continue;
    nearest = candidate;
    nearestDistance = distance;
  }
  return nearest ?? onlyLonger(wanted, candidates);
}

/** `logging` for `log`: the one candidate that goes on where the name ends. */
function onlyLonger(wanted: string, candidates: Iterable<string>): string | undefined {
  if (wanted.length < ABBREVIATION_LENGTH_MIN) return undefined;
  const longer = [...candidates].filter((candidate) => candidate.toLowerCase().startsWith(wanted));
  return longer.length === 1 ? longer[0] : undefined;
}

/** `, did you mean "window"?` */
export function didYouMean(meant: string): string {
  return `, did you mean ${JSON.stringify(meant)}?`;
}

/** `, did you mean "window"?` or, when nothing is near, what there is. */
export function suggestName(name: string, candidates: readonly string[], noun: string): string {
  const nearest = nearestName(name, candidates);
  if (nearest !== undefined) return didYouMean(nearest);
  return candidates.length === 0 ? `; there is no ${noun}` : `; known: ${candidates.join(', ')}`;
}

/** How many single-letter edits (insert, delete, replace, swap neighbours) lie between the two. */
export function editDistance(left: string, right: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const isSame = left[row - 1] === right[column - 1];
      let cost = at(previous, column - 1) + (isSame ? 0 : 1);
      cost = Math.min(cost, at(previous, column) + 1, at(current, column - 1) + 1);
      const isSwap =
        row > 1 &&
        column > 1 &&
        left[row - 1] === right[column - 2] &&
        left[row - 2] === right[column - 1];
      if (isSwap) cost = Math.min(cost, at(beforePrevious, column - 2) + 1);
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, right.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
