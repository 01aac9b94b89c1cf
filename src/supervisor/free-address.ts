/**
 * Finds out whether somebody else listens on an address.
 *
 * Thread: supervisor. Several acceptors share a port by an option with which the kernel lets other
 * processes of the same user share it as well: two gateways would each get a part of the clients,
 * and nobody would be told.
 */

import { createServer } from 'node:net';
import { addressText } from '../base/listener-address.js';
import { StartupError } from '../base/startup-error.js';
import { listenProblem } from '../base/system-problem.js';
import type { ListenerSettings } from '../config/listener-settings.js';

/** @throws StartupError when the address cannot be had alone. */
export async function checkIsFree({ address }: ListenerSettings): Promise<void> {
  if (address.kind !== 'tcp' || address.port === 0 || address.reusePort) return;
  const { host, port } = address;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const why = listenProblem(error);
        reject(new StartupError(`cannot listen on ${addressText(address)}: ${why}`));
      });
      server.listen({ host, port, exclusive: true }, resolve);
    });
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}
