/**
 * Binds a server to the address of a listener.
 *
 * Thread: acceptor.
 */

import type { ListenOptions, Server } from 'node:net';
import { addressText, type ListenerAddress } from '../../base/listener-address.js';
import { StartupError } from '../../base/startup-error.js';
import { listenProblem } from '../../base/system-problem.js';
import { removeAbandoned } from './abandoned-path.js';
import { inheritedFd } from './inherited-socket.js';
import { listenOn } from './raw-socket.js';
import { copySocket } from './socket-copy.js';

/**
 * Resolves with the port, or with 0 where there is none.
 *
 * @throws StartupError when the address cannot be had.
 */
export async function bindServer(server: Server, address: ListenerAddress): Promise<number> {
  try {
    await tryBind(server, address);
  } catch (error) {
    const isTaken = isNodeError(error) && error.code === 'EADDRINUSE';
    const isOurs = address.descriptor !== undefined;
    if (!isTaken || isOurs || address.kind !== 'unix' || !(await removeAbandoned(address.path))) {
      throw listenRefusal(address, error);
    }
    await tryBind(server, address).catch((again: unknown) => {
      throw listenRefusal(address, again);
    });
  }
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

async function tryBind(server: Server, address: ListenerAddress): Promise<void> {
  const { descriptor } = address;
  const copy = descriptor === undefined ? null : await copySocket(descriptor);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    if (copy === null) server.listen(optionsOf(address));
    else listenOn(server, copy);
  });
}

function optionsOf(address: ListenerAddress): ListenOptions {
  switch (address.kind) {
    case 'tcp': {
      const { host, port, reusePort } = address;
      // Node knows it from 22.12 on; before that the address belongs to one process.
      const shared: ListenOptions & { readonly reusePort: boolean } = { host, port, reusePort };
      return shared;
    }
    case 'unix':
      return { path: address.path };
    case 'inherited': {
      const bound: ListenOptions & { readonly fd: number } = { fd: inheritedFd(address.name) };
      return bound;
    }
    default:
      return address satisfies never;
  }
}

/** Why nobody can listen there, for the operator. */
export function listenRefusal(address: ListenerAddress, error: unknown): Error {
  if (error instanceof StartupError) return error;
  const why = listenProblem(error, address.kind === 'unix' ? 'path' : 'port');
  return new StartupError(`cannot listen on ${addressText(address)}: ${why}`);
}

function isNodeError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error;
}
