/**
 * Things that have a row of their own in shared tables, found by that row.
 *
 * Thread: any (pure). A row belongs to a name and stays with it from one configuration to the
 * next, so rows in use need not be dense nor in the order of the file.
 */

export interface HasRow {
  /** The row. */
  readonly index: number;
}

/**
 * Parts in the order of the configuration. An array is one; so is a list that makes a part when it
 * is asked for.
 */
export interface PartList<T> extends Iterable<T> {
  readonly length: number;
  /** undefined: there is none at this place. */
  at(place: number): T | undefined;
}

/** Finds parts by their rows. */
export interface RowLookup<T> {
  /** undefined: nobody has the row. */
  find(row: number): T | undefined;
}

/** By row; undefined: nobody has it. */
export function byRow<T extends HasRow>(items: Iterable<T>): readonly (T | undefined)[] {
  const rows: (T | undefined)[] = [];
  for (const item of items) {
    while (rows.length <= item.index) rows.push(undefined);
    rows[item.index] = item;
  }
  return rows;
}
