/**
 * Bytes on a socket, without a client library between.
 */
import { connect, type Socket } from 'node:net';

export interface RawReply {
  /** All that came, as latin-1. */
  readonly text: string;
  /** Status of the first reply, or 0. */
  readonly status: number;
  /** The other side closed. */
  readonly isClosed: boolean;
}

export interface RawOptions {
  /** Pieces are written one after the other, each in its own packet as far as the system lets. */
  readonly pauseMs?: number;
  /** Give up waiting for the other side to close. */
  readonly waitMsMax?: number;
  /** Stop as soon as this has come. */
  readonly until?: RegExp;
}

/** Sends pieces and collects what comes back until the other side closes or time is over. */
export function rawExchange(
  port: number,
  pieces: readonly (string | Buffer)[],
  options: RawOptions = {},
): Promise<RawReply> {
  const { pauseMs = 0, waitMsMax = 3000, until } = options;
  return new Promise((resolve) => {
    let text = '';
    let isClosed = false;
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), isClosed });
    };
    const timer = setTimeout(end, waitMsMax);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (until?.test(text)) end();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      isClosed = true;
      end();
    });
    socket.on('connect', () => void sendPieces(socket, pieces, pauseMs));
  });
}

async function sendPieces(
  socket: Socket,
  pieces: readonly (string | Buffer)[],
  pauseMs: number,
): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
