/**
 * Has recent requests replayed in a thread of its own, one replay at a time.
 *
 * Thread: supervisor (on the main thread).
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { RecentReplayOrder, RecentReplayReport } from './recent-replay.js';

const REPLAY_THREAD = new URL('./replay-thread.js', import.meta.url);
/** A gigabyte of records under large configurations takes less. */
const REPLAY_MS_MAX = 120_000;

export class RecentReplays {
  private isRunning = false;

  /**
   * Resolves with null while another replay runs. Rejects when the thread dies or takes two
   * minutes.
   */
  async run(order: RecentReplayOrder): Promise<RecentReplayReport | null> {
    if (this.isRunning) return null;
    this.isRunning = true;
    const thread = new Worker(REPLAY_THREAD, { workerData: order, name: 'replay' });
    try {
      const signal = AbortSignal.timeout(REPLAY_MS_MAX);
      const [report] = (await once(thread, 'message', { signal })) as [RecentReplayReport];
      return report;
    } finally {
      await thread.terminate();
      this.isRunning = false;
    }
  }
}
