/**
 * Sockets of plain HTTP/1.1 connections, which all read into one memory of their thread.
 *
 * Thread: acceptor. By default Node makes 64 KiB of new memory for each read of a socket, and takes
 * what comes through the machinery of a stream. A socket that is made with `onread` reads into
 * memory of its owner and calls it directly.
 *
 * Invariant: what such a read brings is valid inside the call only. Whoever keeps some of it takes
 * keptOf() it.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** The most that one read brings. */
const READ_BYTES = 64 * 1024;
/** Views of shorter reads, which are heads, are made once for each length. */
const VIEW_BYTES_MAX = 2048;

const memory: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
const views: (Buffer | null)[] = new Array<Buffer | null>(VIEW_BYTES_MAX + 1).fill(null);

/** Gets what a socket brings. */
type ReadTaker = (bytes: Buffer) => void;

/** Where the connection of a socket is; its types leave it out. */
interface Connected {
  _handle?: object | null;
}

/** `handle` is how net.Server makes the sockets of its connections. */
interface TakingOver extends SocketConstructorOpts {
  readonly handle: object;
  readonly onread: OnReadOpts;
}

/** A socket that reads into the memory of the thread. */
export class DirectSocket extends Socket {
  /** Gets what comes; null: it is thrown away. */
  taker: ReadTaker | null = null;

  private constructor(handle: object) {
    const options: TakingOver = {
      handle,
      allowHalfOpen: true,
      onread: {
        buffer: memory,
        callback: (bytes) => {
          this.taker?.(viewOf(bytes));
          return true;
        },
      },
    };
    super(options);
  }

  /**
   * Takes over the connection of `fresh`, a socket that nobody listens to and from which nothing
   * was read; `fresh` is nobody's then. Where this Node keeps connections in another way, it is
   * returned as it was.
   */
  static inPlaceOf(fresh: Socket): Socket {
    const from = fresh as Connected;
    const handle = from._handle;
    if (handle === null || typeof handle !== 'object' || !('useUserBuffer' in handle)) return fresh;
    from._handle = null;
    return new DirectSocket(handle);
  }
}

/** Gives all that comes to `take`, whatever kind of socket it is. */
export function takeReads(socket: Socket, take: ReadTaker): void {
  if (socket instanceof DirectSocket) socket.taker = take;
  else socket.on('data', take);
  socket.resume();
}

function viewOf(bytes: number): Buffer {
  if (bytes > VIEW_BYTES_MAX) return memory.subarray(0, bytes);
  const known = views[bytes] ?? memory.subarray(0, bytes);
  views[bytes] = known;
  return known;
}

/** The same bytes, in memory that no read overwrites. */
export function keptOf(bytes: Buffer): Buffer {
  return bytes.buffer === memory.buffer ? Buffer.from(bytes) : bytes;
}
