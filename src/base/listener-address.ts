/**
 * Where a listener is bound, and what speaks with its clients.
 *
 * Thread: any (pure).
 */

/** What the process has bound there already. */
interface BoundAddress {
  /**
   * Of a socket of this process, which is copied for whoever listens. Absent: who listens binds one
   * of its own.
   */
  readonly descriptor?: number;
}

/** A TCP port of this machine. */
export interface TcpAddress extends BoundAddress {
  readonly kind: 'tcp';
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Other processes may listen on the same port. */
  readonly reusePort: boolean;
}

/** A Unix domain socket. Its clients have no address of their own: they count as 127.0.0.1. */
export interface UnixAddress extends BoundAddress {
  readonly kind: 'unix';
  readonly path: string;
}

/** A socket that systemd has bound and hands to the process, by its name in `LISTEN_FDNAMES`. */
export interface InheritedAddress extends BoundAddress {
  readonly kind: 'inherited';
  readonly name: string;
}

export type ListenerAddress = TcpAddress | UnixAddress | InheritedAddress;

/** What can speak with clients: uWebSockets.js, or the gateway's own codecs on Node's sockets. */
export type EngineName = 'uws' | 'wire';

/** The address in words, the same text for the same socket. */
export function addressText(address: ListenerAddress): string {
  switch (address.kind) {
    case 'tcp':
      return hostPort(address.host, address.port);
    case 'unix':
      return `unix:${address.path}`;
    case 'inherited':
      return `systemd:${address.name}`;
    default:
      return address satisfies never;
  }
}

export function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
