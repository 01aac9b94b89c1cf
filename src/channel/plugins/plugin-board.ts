/**
 * What threads tell each other about plugins, in shared memory that outlives every worker.
 *
 * Thread: any (both ends). A plugin has a row for as long as its code and its options stay the same
 * (config/shared/place-plugins.ts). Invariant: a worker writes which plugin runs before it calls
 * it, so that whoever finds the worker hanging can say who it was; and it looks at the standing of
 * the plugin before each call, so that one that was put out is called by nobody.
 *
 *     flags    a line for each lane: the row that runs there, plus one; 0: none
 *              a line for each row:  +0 standing  +1 why  +2 strikes  +3 when they began, in s
 *     counts   for each lane and row: figures (PLUGIN_FIGURES), then the counters of the plugin;
 *              once more for the main thread, where plugins of the program count
 */

/** Plugins that versions in use may have together. */
export const PLUGIN_ROWS = 64;
/** Counters that a plugin may have of its own. */
export const PLUGIN_COUNTERS_MAX = 16;

/** Strikes are counted over this time. */
const STRIKE_WINDOW_S = 60;

const LINE_WORDS = 32;
const STANDING = 0;
const REASON = 1;
const STRIKES = 2;
const STRIKES_SINCE = 3;
const WAITING = 1;

/** Figures of every plugin, and where each stands. */
const PLUGIN_FIGURES = {
  calls: 0,
  /** Calls that threw or were rejected. */
  errors: 1,
  /** Calls whose own work took longer than `budget.cpu`. */
  slowCalls: 2,
  /** Calls that were waited for longer than `budget.wait`. */
  lateCalls: 3,
  /** Errors outside of any call: of timers, and promises that nobody handles. */
  strayErrors: 4,
  /** Workers that hung or died in it. */
  lostWorkers: 5,
  /** Requests that it has answered. */
  replies: 6,
  /** Calls that were not made since it was put out. */
  skippedCalls: 7,
  /** Milliseconds of its own work. */
  busyMs: 8,
} as const;

export type PluginFigure = keyof typeof PLUGIN_FIGURES;

const FIGURES_MAX = 16;
const ROW_COUNTS = FIGURES_MAX + PLUGIN_COUNTERS_MAX;

/** Why a plugin was put out; each number stays what it is. */
const PUT_OUT_REASONS = ['', 'strikes', 'hang', 'setup'] as const;
export type PutOutReason = Exclude<(typeof PUT_OUT_REASONS)[number], ''>;

export interface PluginMemory {
  readonly lanes: number;
  readonly flags: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
}

export function allocatePlugins(lanes: number): PluginMemory {
  return {
    lanes,
    flags: new SharedArrayBuffer((lanes + PLUGIN_ROWS) * LINE_WORDS * 4),
    counts: new SharedArrayBuffer((lanes + 1) * PLUGIN_ROWS * ROW_COUNTS * 8),
  };
}

/** What both ends know. */
class Board {
  protected readonly flags: Int32Array;
  protected readonly counts: Float64Array;
  protected readonly lanes: number;

  constructor({ lanes, flags, counts }: PluginMemory) {
    this.lanes = lanes;
    this.flags = new Int32Array(flags);
    this.counts = new Float64Array(counts);
  }

  protected lineOf(row: number): number {
    return (this.lanes + row) * LINE_WORDS;
  }

  protected countsOf(lane: number, row: number): number {
    return (lane * PLUGIN_ROWS + row) * ROW_COUNTS;
  }

  /** Nobody calls it any more. */
  isOut(row: number): boolean {
    return Atomics.load(this.flags, this.lineOf(row) + STANDING) !== 0;
  }

  /** Nobody calls the plugin from now on. False: so it was already. */
  putOut(row: number, reason: PutOutReason): boolean {
    const line = this.lineOf(row);
    const wasOut = Atomics.exchange(this.flags, line + STANDING, 1) !== 0;
    if (!wasOut) Atomics.store(this.flags, line + REASON, PUT_OUT_REASONS.indexOf(reason));
    return !wasOut;
  }

  /**
   * Something that it must not do. True: it is put out by this one, since it has had `most` within
   * a minute. `unixS`: the wall time in seconds.
   */
  strike(row: number, most: number, unixS: number): boolean {
    const line = this.lineOf(row);
    const since = Atomics.load(this.flags, line + STRIKES_SINCE);
    if (unixS - since >= STRIKE_WINDOW_S || unixS < since) {
      // Two that begin a window at once: one strike may be lost, which the next ones make good.
      Atomics.store(this.flags, line + STRIKES_SINCE, unixS);
      Atomics.store(this.flags, line + STRIKES, 0);
    }
    const strikes = Atomics.add(this.flags, line + STRIKES, 1) + 1;
    return strikes >= most && this.putOut(row, 'strikes');
  }
}

/** A worker's end: it alone writes the line and the counts of its lane. */
export class PluginBoard extends Board {
  private readonly line: number;

  constructor(
    memory: PluginMemory,
    private readonly lane: number,
  ) {
    super(memory);
    this.line = lane * LINE_WORDS;
    this.flags[this.line] = 0;
    this.flags[this.line + WAITING] = 0;
  }

  // Hot path (bench/micro/worker/plugin-call): three stores a call.
  /** The plugin runs from now on; -1: none does. */
  setRunning(row: number): void {
    this.flags[this.line] = row + 1;
  }

  /** The plugin of a call that is waited for; -1: of none, or of several plugins. */
  setWaiting(row: number): void {
    this.flags[this.line + WAITING] = row + 1;
  }

  add(row: number, figure: PluginFigure, by = 1): void {
    this.addAt(row, PLUGIN_FIGURES[figure], by);
  }

  /** To the counter of its own that stands at this place. */
  addOwn(row: number, place: number, by: number): void {
    this.addAt(row, FIGURES_MAX + place, by);
  }

  private addAt(row: number, at: number, by: number): void {
    const index = this.countsOf(this.lane, row) + at;
    this.counts[index] = (this.counts[index] ?? 0) + by;
  }
}

/** The main thread's end. */
export class PluginBoardView extends Board {
  /** Row of the plugin that ran in the worker of this lane, or was waited for there; -1: none. */
  runningIn(lane: number): number {
    const line = lane * LINE_WORDS;
    const running = Atomics.load(this.flags, line);
    return (running === 0 ? Atomics.load(this.flags, line + WAITING) : running) - 1;
  }

  /** The worker of the lane has ended: nobody runs there. Its counts stay. */
  clearLane(lane: number): void {
    Atomics.store(this.flags, lane * LINE_WORDS, 0);
    Atomics.store(this.flags, lane * LINE_WORDS + WAITING, 0);
  }

  /** Counted by the main thread, while no worker serves the lane. */
  addLost(lane: number, row: number): void {
    const index = this.countsOf(lane, row) + PLUGIN_FIGURES.lostWorkers;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
  }

  /** To the counter of a plugin of the program that stands at this place. */
  addOwn(row: number, place: number, by: number): void {
    const index = this.countsOf(this.lanes, row) + FIGURES_MAX + place;
    this.counts[index] = (this.counts[index] ?? 0) + by;
  }

  /** The row is another plugin's from now on; nobody uses it at this time. */
  clearRow(row: number): void {
    this.flags.fill(0, this.lineOf(row), this.lineOf(row) + LINE_WORDS);
    for (let lane = 0; lane <= this.lanes; lane += 1) {
      const start = this.countsOf(lane, row);
      this.counts.fill(0, start, start + ROW_COUNTS);
    }
  }

  /** '': it is not out. */
  reasonOf(row: number): (typeof PUT_OUT_REASONS)[number] {
    if (!this.isOut(row)) return '';
    return PUT_OUT_REASONS[Atomics.load(this.flags, this.lineOf(row) + REASON)] ?? '';
  }

  strikesOf(row: number): number {
    return Atomics.load(this.flags, this.lineOf(row) + STRIKES);
  }

  sumOf(row: number, figure: PluginFigure): number {
    return this.sumAt(row, PLUGIN_FIGURES[figure]);
  }

  sumOfOwn(row: number, place: number): number {
    return this.sumAt(row, FIGURES_MAX + place);
  }

  private sumAt(row: number, at: number): number {
    let sum = 0;
    for (let lane = 0; lane <= this.lanes; lane += 1) {
      sum += this.counts[this.countsOf(lane, row) + at] ?? 0;
    }
    return sum;
  }
}
