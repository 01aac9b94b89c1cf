/**
 * Finds things by their row in shared tables.
 *
 * Thread: any (pure). A row belongs to a name and stays with the name from one configuration to the
 * next, so the rows in use are neither dense nor in the order of the file.
 */

export interface HasRow {
  /** The row. */
  readonly index: number;
}

/** The items at the places of their rows; undefined: no item has the row. */
export function byRow<T extends HasRow>(items: readonly T[]): readonly (T | undefined)[] {
  const rows: (T | undefined)[] = [];
  for (const item of items) {
    while (rows.length <= item.index) rows.push(undefined);
    rows[item.index] = item;
  }
  return rows;
}
