/** A sliding log over plain arrays, for tests of the policy alone. */
import type { SlidingLog } from '../../../../src/policy/rate-limit/sliding-window.js';

export class ArrayLog implements SlidingLog {
  head = 0;
  newestTick = 0;
  /** The most entries that were ever in use. */
  longest = 0;
  private groups: { stamp: number; count: number }[] = [];

  constructor(readonly capacity: number) {}

  get length(): number {
    return this.groups.length;
  }

  get total(): number {
    return this.groups.reduce((sum, group) => sum + group.count, 0);
  }

  stampAt(index: number): number {
    const group = this.groups[index];
    if (group === undefined) throw new Error(`no entry ${index}`);
    return group.stamp;
  }

  clear(): void {
    this.groups = [];
  }

  dropOldest(): void {
    this.groups.shift();
  }

  append(tick: number): void {
    if (this.length === this.capacity) throw new Error('the log is full');
    this.groups.push({ stamp: tick | 0, count: 1 });
    this.newestTick = tick;
    this.longest = Math.max(this.longest, this.length);
  }

  mergeIntoNewest(tick: number): void {
    const newest = this.groups.at(-1);
    if (newest === undefined) throw new Error('nothing to merge into');
    newest.stamp = tick | 0;
    newest.count += 1;
    this.newestTick = tick;
  }

  mergeSmallest(): void {
    const { groups } = this;
    const span = (at: number) => ((groups[at + 1]?.stamp ?? 0) - (groups[at - 1]?.stamp ?? 0)) | 0;
    const inner = groups.map((_, at) => at).slice(1, -1);
    const mean = inner.reduce((sum, at) => sum + span(at), 0) / inner.length;
    const together = (at: number) => (groups[at]?.count ?? 0) + (groups[at + 1]?.count ?? 0);
    const near = inner.filter((at) => span(at) <= mean);
    const closest = near.reduce(
      (one, other) => (together(other) < together(one) ? other : one),
      near[0] ?? 1,
    );
    const [gone] = this.groups.splice(closest, 1);
    const into = this.groups[closest];
    if (into !== undefined) into.count += gone?.count ?? 0;
  }

  takeOut(tick: number, count: number): number {
    const at = this.groups.findIndex((group) => ((group.stamp - (tick | 0)) | 0) >= 0);
    const group = this.groups[at];
    if (group === undefined) return 0;
    const taken = Math.min(count, group.count);
    group.count -= taken;
    if (group.count === 0) this.groups.splice(at, 1);
    return taken;
  }
}
