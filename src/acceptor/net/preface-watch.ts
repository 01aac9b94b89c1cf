/**
 * A connection without TLS at a listener that takes both versions of HTTP, before its first bytes.
 *
 * Thread: acceptor. Who means HTTP/2 begins with its preface (RFC 9113 3.3), which begins like no
 * request of HTTP/1.1. What was read goes back to the socket.
 */
import type { Socket } from 'node:net';
import { CLIENT_PREFACE } from '../../wire/http2/frame-kinds.js';
import type { WireGuest } from './wire-guest.js';

/** These bytes tell: no method of HTTP is `PRI`. */
const TELLING_BYTES = 4;

/** Who waits for the first bytes. */
export interface PrefaceOwner {
  onVersion(socket: Socket, isHttp2: boolean): void;
}

export class PrefaceWatch implements WireGuest {
  readonly isNew = true;
  readonly unsentBytes = 0;

  private came = Buffer.alloc(0);
  private readonly onReadable = (): void => this.read();

  constructor(
    private readonly socket: Socket,
    private readonly deadlineMs: number,
    private readonly owner: PrefaceOwner,
  ) {
    socket.on('readable', this.onReadable);
    socket.on('end', this.onReadable);
    this.read();
  }

  private read(): void {
    const { socket } = this;
    const piece: Buffer | null = socket.read();
    if (piece === null) {
      if (socket.readableEnded) socket.destroy();
      return;
    }
    this.came = Buffer.concat([this.came, piece]);
    const bytes = Math.min(TELLING_BYTES, this.came.length);
    const isAlike = this.came.compare(CLIENT_PREFACE, 0, bytes, 0, bytes) === 0;
    if (isAlike && bytes < TELLING_BYTES) return;
    socket.off('readable', this.onReadable).off('end', this.onReadable);
    socket.unshift(this.came);
    this.owner.onVersion(socket, isAlike);
  }

  onTick(nowMs: number): void {
    if (nowMs >= this.deadlineMs) this.socket.destroy();
  }

  onDrain(): boolean {
    this.socket.destroy();
    return true;
  }

  stalledForMs(): number {
    return 0;
  }

  shutDown(): void {
    this.socket.destroy();
  }
}
