/**
 * Where acceptors run: in threads of their own, or one on the main thread.
 *
 * Thread: supervisor. Decided once, when the gateway starts.
 */

import type { EngineName } from '../base/listener-address.js';
import { StartupError } from '../base/startup-error.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { ListenerSettings } from '../config/listener-settings.js';

/** The first version of Node.js whose sockets can share a port. */
const REUSE_PORT_SINCE = [22, 12] as const;

/**
 * Not with uWebSockets.js: a thread that ends while it holds one of its handles takes the process
 * along.
 */
export function mayRunInThreads(
  listeners: readonly ListenerSettings[],
  engineOf: (listener: ListenerSettings) => EngineName,
): boolean {
  return listeners.every((one) => engineOf(one) === 'wire');
}

/** Whether this Node.js knows the option `reusePort` of sockets. */
export function nodeSharesPorts(nodeVersion: string = process.versions.node): boolean {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  const [sinceMajor, sinceMinor] = REUSE_PORT_SINCE;
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor);
}

/** @throws StartupError when this number of acceptors cannot be had here. */
export function checkAcceptors(
  { acceptors, workers }: Pick<GatewaySettings, 'acceptors' | 'workers'>,
  isThreaded: boolean,
): void {
  if (acceptors === 1) return;
  if (acceptors > workers) {
    const count = workers === 1 ? '1 worker' : `${workers} workers`;
    throw new StartupError(
      `acceptors: ${acceptors} takes as many workers, and there would be ${count} on this ` +
        'machine: set "workers"',
    );
  }
  if (!isThreaded) {
    throw new StartupError(
      `acceptors: ${acceptors} takes listeners with "engine": "wire" only: others have one ` +
        'acceptor',
    );
  }
}
