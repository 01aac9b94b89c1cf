/**
 * Reads of clients' sockets, all into one memory of their thread.
 *
 * Thread: acceptor. By default Node makes new memory for each read of a socket, 64 KiB without TLS,
 * and takes what comes through the machinery of a stream. A socket that is made with the option
 * `onread` reads into memory of its owner and calls it directly. Servers cannot give that option to
 * the sockets that they make: so it is put where Node would have put it, which a socket that was
 * made with it shows. A Node that keeps it in another way reads as it always did.
 *
 * Invariant: what a read brings is valid inside the call only. Whoever keeps some of it takes
 * keptOf() it.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** The most that one read brings. */
const READ_BYTES = 64 * 1024;
/** Views of shorter reads, which are heads, are made once for each length. */
const VIEW_BYTES_MAX = 2048;

const memory: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
const views: (Buffer | null)[] = new Array<Buffer | null>(VIEW_BYTES_MAX + 1).fill(null);

/** Gets what a socket brings, and never throws. */
type ReadTaker = (bytes: Buffer) => void;

/** Where a socket keeps what it was given as `onread`. */
interface Places {
  readonly buffer: symbol;
  readonly callback: symbol;
}

const places = findPlaces();

function findPlaces(): Places | null {
  const callback = (): boolean => true;
  const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = {
    onread: { buffer: memory, callback },
  };
  const made = new Socket(options);
  const symbols = Object.getOwnPropertySymbols(made);
  const buffer = symbols.find((one) => Reflect.get(made, one) === memory);
  const called = symbols.find((one) => Reflect.get(made, one) === callback);
  return buffer === undefined || called === undefined ? null : { buffer, callback: called };
}

/** Gives all that comes to `take` from now on. */
export function takeReads(socket: Socket, take: ReadTaker): void {
  // What was read before, and what a socket brings that cannot be read directly.
  socket.on('data', take);
  tryReadDirectly(socket, take);
  socket.resume();
}

/** False: this version of Node keeps sockets in another way, or the socket is gone. */
export function tryReadDirectly(socket: Socket, take: ReadTaker): boolean {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (places === null || !takesMemory(handle)) return false;
  Reflect.set(socket, places.buffer, memory);
  Reflect.set(socket, places.callback, (bytes: number): boolean => {
    take(viewOf(bytes));
    return true;
  });
  handle.useUserBuffer(memory);
  return true;
}

interface MemoryTaker {
  useUserBuffer(memory: Buffer): void;
}

function takesMemory(handle: unknown): handle is MemoryTaker {
  return typeof handle === 'object' && handle !== null && 'useUserBuffer' in handle;
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
