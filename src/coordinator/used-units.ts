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

  /** Of what was used within a window it is known now that it was less. */
  remove(units: number, nowMs: number): void {
    this.turn(nowMs);
    // Whichever it was: what is left is forgotten later rather than sooner.
    const older = Math.min(units, this.older);
    this.older -= older;
    this.newer = Math.max(0, this.newer - (units - older));
    this.olderUntold = Math.min(this.olderUntold, this.older);
    this.newerUntold = Math.min(this.newerUntold, this.newer);
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
