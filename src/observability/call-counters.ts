/**
 * The methods of gRPC that a thread counts, and the place of each method's figures.
 *
 * Thread: any (both ends). A part of counters.ts: a block has one writer; readers unite the rows of
 * all blocks by their names.
 *
 *     row (33)   name as text (16) │ calls by code (17)
 *
 * What clients name is bounded here: the number of rows is fixed, a name that is too long has none,
 * and all that has no row is counted in the first one.
 */
import type { CounterBlock } from '../channel/counter-block.js';

const ROWS = 128;
const NAME_FIGURES = 16;
const CODES = 17;
const ROW_FIGURES = NAME_FIGURES + CODES;

/** Figures of all methods together. */
export const CALL_FIGURES = ROWS * ROW_FIGURES;

/** The name of all methods without a row; no method can have it. */
export const OTHER_CALLS = '_other';

const LAST_CODE = CODES - 1;
const UNKNOWN_CODE = 2;

/** Counts calls of one thread. */
export class CallCounters {
  private readonly rows = new Map<string, number>();

  /** `start`: place of the first row. What a thread before has counted goes on. */
  constructor(
    private readonly block: CounterBlock,
    private readonly start: number,
  ) {
    this.block.putText(start, NAME_FIGURES, OTHER_CALLS);
    for (const [at, { name }] of readCalls(block, start).entries()) this.rows.set(name, at);
  }

  /**
   * A call of `service/method` has ended. `isKnown`: a target has such a method. Others get no row:
   * any client can make up names.
   */
  count(name: string, code: number, isKnown: boolean): void {
    const row = this.rows.get(name) ?? (isKnown ? this.tryTake(name) : 0);
    const at = code >= 0 && code <= LAST_CODE ? code : UNKNOWN_CODE;
    this.block.add(this.start + row * ROW_FIGURES + NAME_FIGURES + at);
  }

  private tryTake(name: string): number {
    const row = this.rows.size;
    if (row >= ROWS) return 0;
    if (!this.block.putText(this.start + row * ROW_FIGURES, NAME_FIGURES, name)) return 0;
    this.rows.set(name, row);
    return row;
  }
}

/** Calls of one method, by code. */
export interface CountedCalls {
  /** `package.Service/Method`, or OTHER_CALLS. */
  readonly name: string;
  readonly counts: readonly number[];
}

/** The rows of one block that have a name. */
export function readCalls(block: CounterBlock, start: number): CountedCalls[] {
  const calls: CountedCalls[] = [];
  for (let row = 0; row < ROWS; row += 1) {
    const at = start + row * ROW_FIGURES;
    const name = block.readText(at, NAME_FIGURES);
    if (name === '') break;
    const counts = Array.from({ length: CODES }, (_, code) => block.read(at + NAME_FIGURES + code));
    calls.push({ name, counts });
  }
  return calls;
}
