/**
 * Reads on behind a reply that came before the end of its upload, and then closes the connection.
 *
 * Thread: acceptor. A connection that is closed while bytes of the client wait unread is reset, and
 * a reset takes the reply from the client as well. Most clients look for a reply only when all of
 * their body is sent: so what they send is read and thrown away, within bytes and time.
 *
 * Invariant: the connection is closed once, by this object or by the client.
 */
import type { Clock, Timer } from '../base/clock.js';

/** Longest time that is read on. */
export const LINGER_MS = 30_000;

/** A client that sends nothing for one to two times this long is closed. */
export const LINGER_IDLE_MS = 2500;

export class Lingering {
  private readonly endMs: number;
  private readonly looks: Timer;
  private bytes = 0;
  private bytesBefore = 0;

  /**
   * @param bytesMax - Bytes that are thrown away at most.
   * @param close - Closes the connection.
   */
  constructor(
    private readonly clock: Clock,
    private readonly bytesMax: number,
    private readonly close: () => void,
  ) {
    this.endMs = clock.nowMs() + LINGER_MS;
    this.looks = clock.every(LINGER_IDLE_MS, () => this.look());
  }

  /** The client has sent this many more bytes. */
  onBytes(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > this.bytesMax) this.end();
  }

  /** Closes the connection. */
  end(): void {
    this.stop();
    this.close();
  }

  /** The client is gone. */
  stop(): void {
    this.looks.cancel();
  }

  private look(): void {
    const isIdle = this.bytes === this.bytesBefore;
    this.bytesBefore = this.bytes;
    if (isIdle || this.clock.nowMs() >= this.endMs) this.end();
  }
}
