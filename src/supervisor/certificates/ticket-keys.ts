/**
 * Keys of session tickets that the gateway makes itself, the same for all listeners and threads.
 *
 * Thread: supervisor (on the main thread). Owns the keys and the time of the next ones. With new
 * keys all old tickets are void: their clients shake hands once more. Listeners may differ in how
 * long they use keys, so each period has keys of its own.
 */
import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '../../base/clock.js';
import { TICKET_KEY_BYTES } from '../../channel/tls-material.js';

export class TicketKeys {
  private readonly kept = new Map<number, { keys: Buffer; readonly timer: Timer }>();

  constructor(
    private readonly clock: Clock,
    /** Listeners with keys of this period get others. */
    private readonly onRotated: (rotateMs: number) => void,
  ) {}

  /** The keys that are used for this long. */
  keysFor(rotateMs: number): Buffer {
    const known = this.kept.get(rotateMs);
    if (known !== undefined) return known.keys;
    const timer = this.clock.every(rotateMs, () => this.rotate(rotateMs));
    const keys = randomBytes(TICKET_KEY_BYTES);
    this.kept.set(rotateMs, { keys, timer });
    return keys;
  }

  /** Only these periods are still used. */
  keepOnly(periods: ReadonlySet<number>): void {
    for (const [rotateMs, { timer }] of this.kept) {
      if (periods.has(rotateMs)) continue;
      timer.cancel();
      this.kept.delete(rotateMs);
    }
  }

  stop(): void {
    this.keepOnly(new Set());
  }

  private rotate(rotateMs: number): void {
    const entry = this.kept.get(rotateMs);
    if (entry === undefined) return;
    entry.keys = randomBytes(TICKET_KEY_BYTES);
    this.onRotated(rotateMs);
  }
}
