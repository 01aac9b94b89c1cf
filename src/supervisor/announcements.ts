/**
 * Notices to all workers of which somebody waits until every worker has taken them.
 *
 * Thread: supervisor (on the main thread).
 */
import type { Clock } from '../base/clock.js';

/**
 * A worker that has not acknowledged by then is dead or about to die; its successor starts with
 * what was announced.
 */
const ACKNOWLEDGE_MS_MAX = 1000;

interface Announcement {
  missing: number;
  readonly done: () => void;
}

export class Announcements {
  private readonly open = new Map<number, Announcement>();
  private lastSerial = 0;

  constructor(private readonly clock: Clock) {}

  /**
   * Sends a notice under a serial number of its own, by `send`, which returns the number of
   * workers. Resolves when all of them have acknowledged.
   */
  announce(send: (serial: number) => number): Promise<void> {
    return new Promise((resolve) => {
      const serial = ++this.lastSerial;
      const done = (): void => {
        timer.cancel();
        this.open.delete(serial);
        resolve();
      };
      const timer = this.clock.after(ACKNOWLEDGE_MS_MAX, done);
      const announcement = { missing: Number.POSITIVE_INFINITY, done };
      this.open.set(serial, announcement);
      announcement.missing = send(serial);
      if (announcement.missing === 0) done();
    });
  }

  onAcknowledged(serial: number): void {
    const announcement = this.open.get(serial);
    if (announcement === undefined) return;
    announcement.missing--;
    if (announcement.missing <= 0) announcement.done();
  }

  /** Nobody waits any more. */
  stop(): void {
    for (const { done } of [...this.open.values()]) done();
  }
}
