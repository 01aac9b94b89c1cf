/**
 * Writes to the descriptor of a socket, past the machinery of its stream.
 *
 * Thread: any (both ends). A write through the stream makes an object for the write, and comes back
 * to JavaScript in a tick of its own even where the kernel has taken all at once, as it nearly
 * always does. The call never waits: descriptors of sockets are non-blocking.
 *
 * Invariant: nothing overtakes what waits in the stream.
 */
import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';

/** Of longer writes a part is often left, and then the direct one was a system call too many. */
export const DIRECT_BYTES_MAX = 16 * 1024;

/** Where texts become bytes. */
const memory = Buffer.allocUnsafeSlow(DIRECT_BYTES_MAX);

/** What Node has below a socket. The descriptor is looked up for each write: it may be closed. */
interface SocketInside {
  readonly _handle?: { readonly fd?: number } | null;
}

/** False with TLS: the descriptor of such a socket takes what is encrypted already. */
export function takesDirectWrites(socket: Socket): boolean {
  return !('encrypted' in socket);
}

// Hot path (bench/gateway/plain-get): once for every request and every reply.
/**
 * How many of the first `bytes` of `from` the kernel has taken; the rest is for the stream. 0
 * where it is a long write, where something waits in the stream, or where the write has failed: by
 * the stream it fails once more, and whoever listens to the socket is told.
 */
export function writeDirectly(socket: Socket, from: Uint8Array, bytes: number): number {
  if (bytes > DIRECT_BYTES_MAX || socket.writableLength > 0 || socket.connecting) return 0;
  const fd = (socket as SocketInside)._handle?.fd ?? -1;
  if (fd < 0) return 0;
  try {
    return writeSync(fd, from, 0, bytes);
  } catch {
    return 0;
  }
}

/** Writes a text, of which each character is a byte: directly, and what is left by the stream. */
export function writeText(socket: Socket, text: string): void {
  let taken = 0;
  if (text.length <= memory.length) {
    memory.write(text, 0, 'latin1');
    taken = writeDirectly(socket, memory, text.length);
  }
  if (taken < text.length) socket.write(taken === 0 ? text : text.slice(taken), 'latin1');
}
