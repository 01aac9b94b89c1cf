/**
 * Where acceptors run: in threads of their own, or one on the main thread.
 *
 * Thread: supervisor. Decided once, when the gateway starts.
 */

import type { EngineName } from '../base/listener-address.js';
import { StartupError } from '../base/startup-error.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { ListenerSettings } from '../config/listener-settings.js';

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
