/**
 * Node's own handles of sockets, as far as acceptors that share a socket need them.
 *
 * Thread: acceptor; the supervisor binds by it what acceptors share. Node makes handles by a
 * function with an underscore that its own module `cluster` is built on. It binds and does not
 * listen, and so the thread which has made the handle never takes a connection.
 */
import net, { type Server } from 'node:net';
import { defined } from '../../base/assert.js';

/** A socket that Node has no further object for. */
export interface RawSocket {
  /** The descriptor. */
  readonly fd: number;
  close(): void;
  /** 0, or the error of libuv. Sockets of the file system have no such method. */
  getsockname?(name: { port?: number }): number;
}

/** What the process which copies a socket gets it as: behind its channel. */
export const MIRRORED_FD = 4;

type CreateHandle = (
  address: string | null,
  port: number | null,
  addressType: 4 | 6 | -1 | null,
  fd?: number,
) => RawSocket | number;

/**
 * A socket that is bound to the address, or the one with this descriptor. A number: the error of
 * libuv.
 */
export const createHandle: CreateHandle = (address, port, addressType, fd) => {
  const { _createServerHandle: create } = net as { _createServerHandle?: CreateHandle };
  return defined(create, 'net._createServerHandle of Node.js')(address, port, addressType, fd);
};

export function isRawSocket(value: object | undefined): value is RawSocket {
  return value !== undefined && 'fd' in value && typeof value.fd === 'number';
}

/** What servers have inside. */
interface ServerInside {
  _handle: RawSocket;
  _listen2(address: string, port: number, addressType: number, backlog: number): void;
}

function isOpen(server: object): server is ServerInside {
  return '_listen2' in server && '_handle' in server;
}

/** The bound of Node itself; the kernel has one of its own, too. */
const BACKLOG = 511;

/** Stops and goes on to look whether connections wait. */
interface Polled {
  readStart(): number;
  readStop(): number;
}

function isPolled(handle: object): handle is Polled {
  return 'readStart' in handle && 'readStop' in handle;
}

/**
 * Makes a server that listens by a descriptor look for connections, or leave them in the queue of
 * the kernel. False: this Node.js cannot.
 *
 * Handles that were opened by a descriptor count as readable, so that libuv lets reading begin, and
 * all that begins is to poll: its reader stays the one that takes connections. So it is from libuv
 * 1.45 on, which also takes one connection in each turn.
 */
export function poll(server: Server, isWanted: boolean): boolean {
  const inside: object = server;
  const handle: object | null = isOpen(inside) ? inside._handle : null;
  if (handle === null || !isPolled(handle)) return false;
  return (isWanted ? handle.readStart() : handle.readStop()) === 0;
}

/** The server takes connections of this socket, which is the server's from now on. */
export function listenOn(server: Server, socket: RawSocket): void {
  if (socket.getsockname !== undefined) {
    server.listen(socket, BACKLOG);
    return;
  }
  // Of a handle that is no TCP socket listen() would take the number, and close it twice.
  const inside: object = server;
  if (!isOpen(inside)) throw new Error('this Node.js cannot listen on a Unix socket that is bound');
  inside._handle = socket;
  inside._listen2('', -1, -1, BACKLOG);
}
