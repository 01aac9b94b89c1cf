/**
 * What a thread measures of itself: how late its event loop is, how busy, how large its heap.
 *
 * Thread: any (both ends). Owns a timer that holds nothing open. A timer that is due at a known
 * time and runs later tells how long everything else in this thread had to wait.
 */
import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Clock, Timer } from '../base/clock.js';
import type { CounterBlock } from '../channel/counter-block.js';
import { COUNTERS, LATENCY_BOUNDS_MS, loopDelayHistogram } from './counters.js';

/** Seldom enough that an idle thread sleeps; the supervisor looks for a worker's a little later. */
const TICK_MS = 200;
/** Looking at the heap takes some microseconds, and is not needed that often. */
const TICKS_PER_LOOK = 5;

export class ThreadMeter {
  private readonly timer: Timer;
  private dueMs: number;
  private ticks = 0;
  private toldDropped = 0;
  private utilization = performance.eventLoopUtilization();

  /**
   * `droppedLines`: log lines of this thread that found no room so far. `beat`: hears of each tick,
   * since the loop still turns.
   */
  constructor(
    private readonly clock: Clock,
    private readonly counters: CounterBlock,
    private readonly droppedLines: () => number,
    private readonly beat: () => void = () => {},
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
    // Not put: a thread before this one may have lost some.
    const dropped = this.droppedLines();
    counters.add(COUNTERS.droppedLogLines, dropped - this.toldDropped);
    this.toldDropped = dropped;
  }
}
