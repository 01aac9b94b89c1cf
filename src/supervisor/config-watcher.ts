/**
 * Notices that the configuration's file has changed.
 *
 * Thread: supervisor (on the main thread). Owns a timer. It looks twice a second, which also sees
 * what a notification of the system would miss: files behind links that are switched, and network
 * file systems. A change counts once it has stood still from one look to the next: whoever writes
 * the file piece by piece is not read in the middle of it.
 */
import type { ConfigSource } from '../config/source/config-source.js';

const LOOK_MS = 500;

export class ConfigWatcher {
  private timer: NodeJS.Timeout | null = null;
  private isStopped = false;
  private seenStamp: string;

  constructor(
    private readonly source: ConfigSource,
    private readonly onChanged: () => void,
  ) {
    this.seenStamp = source.loadedStamp;
  }

  start(): void {
    if (this.isStopped) return;
    this.timer = setTimeout(() => void this.look(), LOOK_MS);
    this.timer.unref();
  }

  stop(): void {
    this.isStopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private async look(): Promise<void> {
    const stamp = await this.source.stamp();
    if (this.isStopped) return;
    const isAtRest = stamp === this.seenStamp;
    this.seenStamp = stamp;
    if (isAtRest && stamp !== this.source.loadedStamp) this.onChanged();
    this.start();
  }
}
