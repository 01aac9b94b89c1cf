/**
 * A connection of which the header of the PROXY protocol is still to come.
 *
 * Thread: acceptor. Takes exactly the header out of the socket, and gives the socket on. A header
 * that is wrong, or does not come in time, ends the connection without a word: whoever sends it is
 * no client that could read an answer.
 */
import type { Socket } from 'node:net';
import {
  ProxyHeaderReader,
  type ProxyVersions,
} from '../../wire/proxy-protocol/proxy-header-reader.js';
import type { WireGuest } from './wire-guest.js';

/** Who waits for the header. */
export interface PreambleOwner {
  /** `source`: the address of the client; '': the header does not name one. */
  onHeader(socket: Socket, source: string): void;
  /** The connection is closed for want of a good header. */
  onTurnedAway(reason: string): void;
}

export class ProxyPreamble implements WireGuest {
  readonly isNew = true;
  readonly unsentBytes = 0;

  private readonly reader: ProxyHeaderReader;
  private readonly onReadable = (): void => this.read();

  constructor(
    private readonly socket: Socket,
    versions: ProxyVersions,
    private readonly deadlineMs: number,
    private readonly owner: PreambleOwner,
  ) {
    this.reader = new ProxyHeaderReader(versions);
    socket.on('readable', this.onReadable);
    socket.on('end', this.onReadable);
  }

  private read(): void {
    const { socket, reader } = this;
    const piece: Buffer | null = socket.read();
    if (piece === null) {
      if (socket.readableEnded) this.turnAway('no whole PROXY header');
      return;
    }
    const result = reader.read(piece);
    if (result === 'wrong') this.turnAway('a wrong PROXY header');
    if (result !== 'done') return;
    socket.off('readable', this.onReadable).off('end', this.onReadable);
    const rest = piece.subarray(reader.consumed);
    if (rest.length > 0) socket.unshift(rest);
    this.owner.onHeader(this.socket, reader.source);
  }

  onTick(nowMs: number): void {
    if (nowMs >= this.deadlineMs) this.turnAway('no PROXY header in time');
  }

  private turnAway(reason: string): void {
    if (this.socket.destroyed) return;
    this.owner.onTurnedAway(reason);
    this.socket.destroy();
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
