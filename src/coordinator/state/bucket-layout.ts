/**
 * The rows of the limiter tables, word by word.
 *
 * Thread: any (pure). Rows of 32-bit words over shared memory, owned by the coordinator.
 *
 *     table    a line of its own, tags (a word a row), then the rows
 *     line     word 0: base of the row of groups that was written last
 *     tag      a fingerprint of the key, never 0; 0: the row is free
 *
 *     word     row
 *     0, 1     key hash, high and low
 *     2        key space of the limiter
 *     3        index of the oldest entry << 16 | entries in use
 *     4, 5     float64: newest stamp in ticks (log), or time of the level (bucket)
 *     6 …      log:    one stamp an entry
 *              groups: stamp, admissions
 *              bucket: level, float64; times and peaks that give-backs go by, four float64
 *              window: admissions (words 4, 5 are its start)
 *     last 2   admissions in all groups, (free)        large rows only
 *
 * A compact row has 24 words with a log of 18 stamps, a wide row 136 words with one of 128 stamps.
 * A limit that is larger than that has large rows: 264 words with a log of 128 groups.
 */

export const ROW_HIGH_WORD = 0;
export const ROW_LOW_WORD = 1;
export const ROW_SPACE_WORD = 2;
export const ROW_ENTRIES_WORD = 3;
export const ROW_TIME_WORD = 4;
export const ROW_LOG_WORD = 6;
export const ROW_TOTAL_WORD = 262;

export const COMPACT_ROW_WORDS = 24;
export const COMPACT_LOG_ENTRIES = 18;
export const WIDE_ROW_WORDS = 136;
export const WIDE_LOG_ENTRIES = 128;
export const LARGE_ROW_WORDS = 264;
export const LARGE_LOG_GROUPS = 128;

/** Rows of a set: their tags share one cache line. */
export const SET_ROWS = 16;

const WORD_BYTES = 4;

/** Words before the tags. */
export const TABLE_LINE_WORDS = 16;

/** Rows of a table for this number of keys, rounded up to whole sets. */
export function bucketRowCount(trackedKeys: number): number {
  return Math.max(1, Math.ceil(trackedKeys / SET_ROWS)) * SET_ROWS;
}

export function bucketTableBytes(rowCount: number, rowWords: number): number {
  return (TABLE_LINE_WORDS + rowCount * (1 + rowWords)) * WORD_BYTES;
}
