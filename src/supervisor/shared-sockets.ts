/**
 * Sockets that several acceptors take connections from.
 *
 * Thread: supervisor. Owns a bound socket for each listener, by what it is known by. It never
 * listens here: each acceptor listens with a descriptor of its own (acceptor/net/socket-copy.ts),
 * and the kernel gives a connection to the one that takes it first. Two invariants:
 *
 *     a number that is open here is closed here, and by nobody else
 *     nothing is closed here while an acceptor may be copying it
 *
 * While its socket stands an address is this gateway's, also when no acceptor is there: what comes
 * meanwhile waits in the kernel's queue, and none of it is lost with an acceptor. This is for Unix
 * sockets, for those of systemd, and for ports under a Node.js older than 22.12, where sockets
 * cannot share a port (reusePort). An idle thread is woken in vain (64 against 61 us of CPU for a
 * short connection), and in return acceptors have as many connections as each other:
 * acceptor/shared-queues.ts.
 */
import { lookup } from 'node:dns/promises';
import { getSystemErrorMap } from 'node:util';
import { socketKey } from '../acceptor/acceptor.js';
import { removeAbandoned } from '../acceptor/net/abandoned-path.js';
import { listenRefusal } from '../acceptor/net/bind-server.js';
import { inheritedFd } from '../acceptor/net/inherited-socket.js';
import { createHandle, type RawSocket } from '../acceptor/net/raw-socket.js';
import type { ListenerAddress, TcpAddress } from '../base/listener-address.js';
import type { ListenerSettings } from '../config/listener-settings.js';

type OpenSocket = Pick<RawSocket, 'fd' | 'close'>;

export class SharedSockets {
  private readonly sockets = new Map<string, OpenSocket>();

  /**
   * Binds what these listeners need beside what is there.
   *
   * @throws StartupError when an address cannot be had; then nothing has changed.
   */
  async open(listeners: readonly ListenerSettings[]): Promise<void> {
    const opened: string[] = [];
    try {
      for (const listener of listeners) {
        const key = socketKey(listener);
        if (this.sockets.has(key)) continue;
        this.sockets.set(key, await openSocket(listener.address));
        opened.push(key);
      }
    } catch (error) {
      for (const key of opened) this.drop(key);
      throw error;
    }
  }

  /** The descriptor; undefined: there is none for this listener. */
  descriptorOf(listener: ListenerSettings): number | undefined {
    return this.sockets.get(socketKey(listener))?.fd;
  }

  /** Closes all but those of these listeners. */
  keepOnly(listeners: readonly ListenerSettings[]): void {
    const kept = new Set(listeners.map(socketKey));
    for (const key of this.sockets.keys()) if (!kept.has(key)) this.drop(key);
  }

  close(): void {
    this.keepOnly([]);
  }

  private drop(key: string): void {
    this.sockets.get(key)?.close();
    this.sockets.delete(key);
  }
}

async function openSocket(address: ListenerAddress): Promise<OpenSocket> {
  try {
    switch (address.kind) {
      case 'tcp':
        return await openPort(address);
      case 'unix':
        return await openPath(address.path);
      case 'inherited':
        // It is the process's, and systemd's as well: nobody closes it.
        return { fd: inheritedFd(address.name), close: () => {} };
      default:
        return address satisfies never;
    }
  } catch (error) {
    throw listenRefusal(address, error);
  }
}

async function openPort({ host, port }: TcpAddress): Promise<OpenSocket> {
  const { address, family } = await lookup(host);
  const socket = createHandle(address, port, family === 6 ? 6 : 4);
  if (typeof socket === 'number') throw new BindError(socket, address, port);
  // That an address is in use is told by the first call after the one that binds.
  const problem = socket.getsockname?.({}) ?? 0;
  if (problem === 0) return socket;
  socket.close();
  throw new BindError(problem, address, port);
}

async function openPath(path: string): Promise<OpenSocket> {
  const socket = createHandle(path, -1, -1);
  if (typeof socket !== 'number') return socket;
  const error = new BindError(socket, path, 0);
  if (error.code !== 'EADDRINUSE' || !(await removeAbandoned(path))) throw error;
  const again = createHandle(path, -1, -1);
  if (typeof again === 'number') throw new BindError(again, path, 0);
  return again;
}

/** What Node says of an address that a server cannot have. */
class BindError extends Error {
  readonly code: string;

  constructor(problem: number, address: string, port: number) {
    const [code, words] = getSystemErrorMap().get(problem) ?? [String(problem), 'unknown error'];
    super(`listen ${code}: ${words} ${address}${port > 0 ? `:${port}` : ''}`);
    this.code = code;
  }
}
