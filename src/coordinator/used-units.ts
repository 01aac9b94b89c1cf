/**
 * How much this gateway has used of one key of a limit within about a window, and what of it the
 * store does not know.
 *
 * Thread: coordinator. Two stretches of a window each are counted, so that what is older than two
 * windows is forgotten, and what is younger than one never is.
 */
export class UsedUnits {
  private startMs = Number.NEGATIVE_INFINITY;
  private newer = 0;
  private older = 0;
  /** Of these, what the store was not told. */
  private newerUntold = 0;
  private olderUntold = 0;

  constructor(private readonly windowMs: number) {}

  /** Used by a lease: the store knows. */
  add(units: number, nowMs: number): void {
    this.turn(nowMs);
    this.newer += units;
  }

  /** Used without the store. */
  addUntold(units: number, nowMs: number): void {
    this.turn(nowMs);
    this.newer += units;
    this.newerUntold += units;
  }

  /**
   * What was counted as `units` within a window is over, and has used `used` of them, now. Where
   * nobody knows which these are, what the store was told of goes first, and what is older.
   */
  settle(units: number, used: number, nowMs: number): void {
    this.turn(nowMs);
    const olderTold = Math.min(units, this.older - this.olderUntold);
    const newerTold = Math.min(units - olderTold, this.newer - this.newerUntold);
    const untold = units - olderTold - newerTold;
    const olderUntold = Math.min(untold, this.olderUntold);
    const newerUntold = Math.min(untold - olderUntold, this.newerUntold);
    this.older -= olderTold + olderUntold;
    this.newer += used - newerTold - newerUntold;
    this.olderUntold -= olderUntold;
    this.newerUntold += Math.min(used, olderUntold + newerUntold) - newerUntold;
  }

  /** Whether something was used within a window. */
  has(nowMs: number): boolean {
    return this.count(nowMs) > 0;
  }

  /** How much was used: all of the last window, and at most of two. */
  count(nowMs: number): number {
    this.turn(nowMs);
    return this.newer + this.older;
  }

  /** Whether there is something that the store was not told. */
  get hasUntold(): boolean {
    return this.newerUntold + this.olderUntold > 0;
  }

  /** The store has another state: it knows nothing of all that was used. */
  mustDeclare(): void {
    this.newerUntold = this.newer;
    this.olderUntold = this.older;
  }

  /** What the store is told now. */
  takeUndeclared(nowMs: number): number {
    this.turn(nowMs);
    const untold = this.newerUntold + this.olderUntold;
    this.newerUntold = 0;
    this.olderUntold = 0;
    return untold;
  }

  private turn(nowMs: number): void {
    if (nowMs < this.startMs + this.windowMs) return;
    const isNext = nowMs < this.startMs + 2 * this.windowMs;
    this.older = isNext ? this.newer : 0;
    this.olderUntold = isNext ? this.newerUntold : 0;
    this.newer = 0;
    this.newerUntold = 0;
    this.startMs = nowMs;
  }
}
