/**
 * The addresses of both ends of a socket, as text.
 *
 * Thread: acceptor.
 */
import type { Socket } from 'node:net';
import type { RequestOrigin } from '../../wire/http1/request-head.js';

/** A client of a Unix socket is on this machine. */
const LOCAL = '127.0.0.1';
const MAPPED = '::ffff:';

/** An IPv4 address in IPv6 form is shown as IPv4, as everywhere in the gateway. */
export function addressOfSocket({ remoteAddress = LOCAL }: Socket): string {
  return plain(remoteAddress);
}

/** What stands in Host of a request to this address. */
function hostOfSocket({ localAddress, localPort }: Socket): string {
  if (localAddress === undefined || localPort === undefined) return 'localhost';
  const address = plain(localAddress);
  return `${address.includes(':') ? `[${address}]` : address}:${localPort}`;
}

/** A Unix socket knows no resets, and Node.js throws when it is told to send one. */
export function knowsResets(socket: Socket): boolean {
  return socket.localAddress !== undefined;
}

/** A socket asks the kernel for its own address, and keeps it: only where a request needs it. */
export class SocketOrigin implements RequestOrigin {
  constructor(
    private readonly raw: Socket,
    readonly peer: string,
    readonly connection: string,
  ) {}

  get fallbackHost(): string {
    return hostOfSocket(this.raw);
  }
}

function plain(address: string): string {
  const zone = address.indexOf('%');
  const bare = zone === -1 ? address : address.slice(0, zone);
  return bare.startsWith(MAPPED) && bare.includes('.') ? bare.slice(MAPPED.length) : bare;
}
