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

export class ProxyPreamble implements WireGuest {
  private readonly reader: ProxyHeaderReader;
  private readonly onReadable = (): void => this.read();

  /** `onHeader` gets the address of the client; '': the header does not name one. */
  constructor(
    private readonly socket: Socket,
    versions: ProxyVersions,
    private readonly deadlineMs: number,
    private readonly onHeader: (source: string) => void,
  ) {
    this.reader = new ProxyHeaderReader(versions);
    socket.on('readable', this.onReadable);
    socket.on('end', this.onReadable);
  }

  private read(): void {
    const { socket, reader } = this;
    const piece: Buffer | null = socket.read();
    if (piece === null) {
      if (socket.readableEnded) socket.destroy();
      return;
    }
    const result = reader.read(piece);
    if (result === 'wrong') socket.destroy();
    if (result !== 'done') return;
    socket.off('readable', this.onReadable).off('end', this.onReadable);
    const rest = piece.subarray(reader.consumed);
    if (rest.length > 0) socket.unshift(rest);
    this.onHeader(reader.source);
  }

  onTick(nowMs: number): void {
    if (nowMs >= this.deadlineMs) this.socket.destroy();
  }

  onDrain(): void {
    this.socket.destroy();
  }

  shutDown(): void {
    this.socket.destroy();
  }
}
