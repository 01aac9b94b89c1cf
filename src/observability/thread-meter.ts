/**
 * A thread's figures about itself: how late its event loop is, how busy, how large its heap.
 *
 * Thread: any (both ends). Owns a timer that does not keep the process alive. How late the timer
 * runs is how long everything else in this thread had to wait.
 */
import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Clock, Timer } from '../base/clock.js';
import type { CounterBlock } from '../channel/counter-block.js';
import { COUNTERS, LATENCY_BOUNDS_MS, loopDelayHistogram } from './counters.js';

/**
 * Long enough to let an idle thread sleep. The supervisor checks a worker's beat at a longer
 * interval.
 */
const TICK_MS = 200;
/** Reading the heap's size takes some microseconds, and is needed less often. */
const TICKS_PER_LOOK = 5;

export class ThreadMeter {
  private readonly timer: Timer;
  private dueMs: number;
  private ticks = 0;
  private toldDropped = 0;
  private utilization = performance.eventLoopUtilization();

  /**
   * `droppedLines`: log lines that this thread has lost so far. `beat`: called in each tick, since
   * a tick shows that the loop turns.
   */
  constructor(
    private readonly clock: Clock,
    private readonly counters: CounterBlock,
    private readonly droppedLines: () => number,
    private readonly beat: () => void,
  ) {
    this.dueMs = clock.nowMs() + TICK_MS;
    this.timer = clock.every(TICK_MS, () => this.onTick());
    this.look();
  }

  stop(): void {
    this.timer.cancel();
  }

  private onTick(): void {
    const nowMs = this.clock.nowMs();
    const delayMs = Math.max(0, nowMs - this.dueMs);
    this.counters.observe(loopDelayHistogram(), LATENCY_BOUNDS_MS, delayMs);
    this.dueMs = nowMs + TICK_MS;
    this.ticks += 1;
    this.beat();
    if (this.ticks % TICKS_PER_LOOK === 0) this.look();
  }

  private look(): void {
    const { counters } = this;
    const utilization = performance.eventLoopUtilization();
    counters.add(COUNTERS.loopActiveMs, utilization.active - this.utilization.active);
    this.utilization = utilization;
    counters.put(COUNTERS.heapUsedBytes, getHeapStatistics().used_heap_size);
    // Added and not set: an earlier thread with this block may have lost lines too.
    const dropped = this.droppedLines();
    counters.add(COUNTERS.droppedLogLines, dropped - this.toldDropped);
    this.toldDropped = dropped;
  }
}
