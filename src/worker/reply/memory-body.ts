/**
 * Sends a body that lies in memory, as far as its client takes it.
 *
 * Thread: worker. The exchange keeps the rest.
 */
import type { Exchange } from '../exchange/exchange.js';

/** Where the pieces go. */
interface PieceSink {
  /** False: no more until the client takes some. */
  data(exchange: Exchange, bytes: Buffer, isLast: boolean): boolean;
}

/** Longest piece that goes out at once. */
const PIECE_BYTES = 64 * 1024;

/** `body`: what has not gone out yet. */
export function sendFromMemory(exchange: Exchange, body: Buffer, path: PieceSink): void {
  const { reply } = exchange;
  reply.keepRest(body);
  let goesOn = true;
  while (goesOn && reply.rest !== null && !exchange.isFinished) {
    const { rest } = reply;
    const piece = rest.subarray(0, PIECE_BYTES);
    const isLast = piece.length === rest.length;
    reply.keepRest(isLast ? null : rest.subarray(piece.length));
    goesOn = path.data(exchange, piece, isLast);
  }
}

/** The client takes more: of what lies in memory, of what others fetch, or of its target. */
export function resumeSource(exchange: Exchange, path: PieceSink): void {
  const { rest } = exchange.reply;
  const reader = exchange.caching?.reader ?? null;
  if (rest !== null) sendFromMemory(exchange, rest, path);
  else if (reader === null) exchange.tries.current?.resume();
  else reader.pump();
}
