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

/** By row; undefined: nobody has it. */
export function byRow<T extends HasRow>(items: readonly T[]): readonly (T | undefined)[] {
  const rows: (T | undefined)[] = [];
  for (const item of items) {
    while (rows.length <= item.index) rows.push(undefined);
    rows[item.index] = item;
  }
  return rows;
}
