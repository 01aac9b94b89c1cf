/**
 * Whether the client of a connection is still there, and takes what is written.
 *
 * Thread: acceptor. Looks at every tick. Two things hide from the events of a socket:
 *
 * - A client that has closed its own side may still read, or be gone: a FIN says no more. Who is
 *   gone answers what is sent to it with a reset. So a client that has waited for a while is sent
 *   100, which every client of HTTP/1.1 has to skip before its reply (RFC 9110 15.2). HTTP/1.0 has
 *   no such thing: there, and behind a head, the listener's time-out decides.
 * - A client that takes nothing may send for ever: only bytes that it takes count as progress.
 */
import type { Socket } from 'node:net';
import { NO_FIELDS } from '../../base/field-block.js';
import { CONTINUE } from '../../channel/records/field-records.js';

/** A client that takes nothing of what waits for it is given up after this time. */
export const STALLED_MS = 60_000;

/** A client that has closed its side and waits is asked after this time whether it is there. */
const PROBE_MS = 2000;

/** A machine that has vanished is asked for by the kernel from this time on. */
const KEEP_ALIVE_MS = 10_000;

const NO_BYTES = Buffer.alloc(0);

/** What is sent to the client. */
interface Sending {
  readonly isBlocked: boolean;
  readonly isBegun: boolean;
  /** How often something of what waited was taken. */
  readonly flushes: number;
  /** Whether something was written since the last call. */
  takeHasWritten(): boolean;
  sendInterim(status: number, fields: string): void;
}

export class ClientWatch {
  /** The client has closed its side. */
  hasEnded = false;
  /** When something was last written to a client that has closed its side. */
  private sentMs = 0;
  private hasProbed = false;
  /** When the client last took something, while the connection is blocked; -1: it is not. */
  private takenMs = -1;
  private flushes = 0;
  private waiting = 0;

  /** `raw`: the TCP or Unix socket, also where TLS is spoken on it. */
  constructor(
    private readonly raw: Socket,
    private readonly sending: Sending,
  ) {}

  /** The client has closed its side. */
  end(nowMs: number): void {
    this.hasEnded = true;
    this.sentMs = nowMs;
    this.raw.setKeepAlive(true, KEEP_ALIVE_MS);
  }

  /** True: the client has taken nothing for STALLED_MS. */
  isStalled(nowMs: number): boolean {
    const { sending, raw } = this;
    if (!sending.isBlocked) {
      this.takenMs = -1;
      return false;
    }
    const waiting = unsentBytes(raw);
    const hasMoved = this.flushes !== sending.flushes || this.waiting !== waiting;
    if (hasMoved || this.takenMs === -1) {
      this.takenMs = nowMs;
      this.flushes = sending.flushes;
      this.waiting = waiting;
    }
    return nowMs - this.takenMs >= STALLED_MS;
  }

  /** For how long the client has taken nothing of what waits, as of the last isStalled(). */
  stalledForMs(nowMs: number): number {
    return this.takenMs === -1 ? 0 : nowMs - this.takenMs;
  }

  /**
   * Whether a client that waits for its reply behind a FIN counts as gone: `quietMs` without
   * anything to send. `takesInterim`: its version of HTTP has interim replies.
   */
  isGone(nowMs: number, quietMs: number, takesInterim: boolean): boolean {
    if (!this.hasEnded) return false;
    const { sending } = this;
    if (sending.takeHasWritten() || sending.isBlocked) {
      this.sentMs = nowMs;
      this.hasProbed = false;
    }
    const passedMs = nowMs - this.sentMs;
    if (passedMs >= quietMs) return true;
    if (passedMs >= PROBE_MS) this.probe(takesInterim);
    return false;
  }

  private probe(takesInterim: boolean): void {
    const { sending, raw } = this;
    if (!this.hasProbed && takesInterim && !sending.isBegun) {
      this.hasProbed = true;
      sending.sendInterim(CONTINUE, NO_FIELDS);
      // It is no progress.
      sending.takeHasWritten();
    } else {
      // Nothing is sent, but a reset that has come shows as an error: nobody reads any more.
      raw.write(NO_BYTES);
    }
  }
}

/**
 * Bytes of a write that the kernel has not taken. A write is told when all of it is, which takes
 * long for a slow client; net.Socket goes by the same figure for its own time-outs.
 */
function unsentBytes(raw: Socket): number {
  const { _handle: handle } = raw as Socket & { _handle?: { writeQueueSize?: number } | null };
  return handle?.writeQueueSize ?? 0;
}
