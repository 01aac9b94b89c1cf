/**
 * Notices that the configuration's file has changed.
 *
 * Thread: supervisor (on the main thread). Owns a timer. The watcher reads the file's times twice a
 * second. This finds changes that a notification of the system would miss: links that are switched
 * to another file, and network file systems. A change counts once the file stayed the same from one
 * look to the next, so that a file which is written in pieces is not read half written.
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
