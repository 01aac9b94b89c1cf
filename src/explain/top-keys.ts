/**
 * The keys that have used most of their limits.
 *
 * Thread: supervisor (on the main thread). Each row is copied and judged by the limiter's own
 * arithmetic, a few rows at a time, so that no client waits. Rows hold hashes; the name of a key is
 * known only if one of its requests was refused recently.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TopKeyRow } from '../admin/recent-rows.js';
import { HalfSipHash } from '../base/half-sip-hash.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import type { Limiter } from '../coordinator/limiter.js';
import { createLimiter, needsRow, rowWordsOf } from '../coordinator/limiters.js';
import { ROW_HIGH_WORD, ROW_LOW_WORD } from '../coordinator/state/bucket-layout.js';
import { type BucketTable, NO_ROW } from '../coordinator/state/bucket-table.js';
import { RateDecision } from '../policy/rate-limit/rate-decision.js';
import { keyFromLine } from '../worker/exchange/limiter-keys.js';

const SHOWN_MAX = 20;
/** Most rows that are read: more would take a second or longer. */
const ROWS_MAX = 65_536;
/**
 * After this number of rows the function checks whether the thread's clients should have a turn.
 */
const ROWS_PER_LOOK = 128;
const WORK_MS_MAX = 1;
/** Characters of a header value in a key that are shown: the value may be a secret. */
const HEADER_CHARS_SHOWN = 3;

export interface UsedKey {
  readonly limiter: CompiledLimiter;
  readonly high: number;
  readonly low: number;
  readonly usedShare: number;
}

/** A table to read, and a table of the same kind with room for one row. */
export interface ScannedTable {
  readonly source: BucketTable;
  readonly scratch: BucketTable;
}

export async function findTopKeys(
  tables: readonly ScannedTable[],
  limiters: readonly CompiledLimiter[],
  nowMs: () => number,
): Promise<UsedKey[]> {
  let top: UsedKey[] = [];
  let rows = 0;
  const atMs = nowMs();
  let beganMs = atMs;
  for (const table of tables) {
    const gauge = new RowGauge(table, limiters);
    for (let row = table.source.nextUsedRow(0); row !== NO_ROW && rows < ROWS_MAX; ) {
      const used = gauge.measure(row, atMs);
      if (used !== null) top.push(used);
      if (top.length >= 8 * SHOWN_MAX) top = largest(top);
      row = table.source.nextUsedRow(row + 1);
      rows += 1;
      if (rows % ROWS_PER_LOOK !== 0 || nowMs() - beganMs < WORK_MS_MAX) continue;
      await nextTurn();
      beganMs = nowMs();
    }
  }
  return largest(top);
}

/** Says for one row after the other how much its key has used. */
class RowGauge {
  /** By key space. */
  private readonly rules = new Map<number, readonly [CompiledLimiter, Limiter]>();
  private readonly decision = new RateDecision();
  private readonly base: number;

  constructor(
    private readonly table: ScannedTable,
    limiters: readonly CompiledLimiter[],
  ) {
    this.base = table.scratch.baseOf(0);
    for (const limiter of limiters) {
      if (!needsRow(limiter) || rowWordsOf(limiter) !== table.source.rowWords) continue;
      this.rules.set(limiter.keySpace, [limiter, createLimiter(limiter, table.scratch)]);
    }
  }

  /** null: the row is free, or belongs to a limit that no longer exists. */
  measure(row: number, nowMs: number): UsedKey | null {
    const { source, scratch } = this.table;
    const from = source.baseOf(row);
    const words = source.views.words.subarray(from, from + source.rowWords);
    scratch.views.words.set(words, this.base);
    const found = this.rules.get(scratch.keySpaceOf(0));
    if (found === undefined) return null;
    const [limiter, rule] = found;
    const usedShare = rule.usedShareOf(this.base, nowMs, this.decision);
    if (usedShare <= 0) return null;
    const [high = 0, low = 0] = [words[ROW_HIGH_WORD], words[ROW_LOW_WORD]];
    return { limiter, high, low, usedShare: Math.min(1, usedShare) };
  }
}

function largest(keys: readonly UsedKey[]): UsedKey[] {
  return keys.toSorted((one, other) => other.usedShare - one.usedShare).slice(0, SHOWN_MAX);
}

/** `lines`: keys in the form in which they were noted with refusals. */
export function nameKeys(
  keys: readonly UsedKey[],
  lines: readonly string[],
  hashKey: readonly [number, number],
): TopKeyRow[] {
  const hash = new HalfSipHash(...hashKey);
  const names = new Map<string, string>();
  for (const line of new Set(lines)) {
    hash.hash(keyFromLine(line));
    names.set(`${hash.high} ${hash.low}`, shownKey(line));
  }
  return keys.map(({ limiter, high, low, usedShare }) => ({
    limit: limiter.name,
    key: names.get(`${high} ${low}`) ?? `#${(low >>> 0).toString(16).padStart(8, '0')}`,
    usedShare: Math.round(usedShare * 1000) / 1000,
  }));
}

/** The parts of a key, each after the letter of its kind: see worker/exchange/limiter-keys.ts. */
function shownKey(line: string): string {
  return keyFromLine(line)
    .split('\n')
    .map((part) => {
      const value = part.slice(1);
      return part.startsWith('h') ? `${value.slice(0, HEADER_CHARS_SHOWN)}…` : value || 'route';
    })
    .join(', ');
}
