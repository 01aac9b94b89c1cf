/**
 * Why a reload cannot have an address that this gateway itself has.
 *
 * Thread: supervisor (on the main thread). A reload binds what is new before it lets go of what is
 * old, so a listener cannot move to another host that shares its port, such as from 0.0.0.0.
 */
import { addressText, hostPort } from '../base/listener-address.js';
import { StartupError } from '../base/startup-error.js';
import type { ListenerFigures } from '../channel/acceptor/acceptor-figures.js';
import type { ListenerSettings } from '../config/listener-settings.js';

/** The error, which names the listener that holds the port where one of ours does. */
export function tellHolder(
  error: unknown,
  wanted: readonly ListenerSettings[],
  inForce: readonly Pick<ListenerFigures, 'name' | 'host' | 'port'>[],
): unknown {
  if (!(error instanceof StartupError)) return error;
  const refused = wanted.find(({ address }) =>
    error.message.startsWith(`cannot listen on ${addressText(address)}: the address is in use`),
  );
  if (refused?.address.kind !== 'tcp') return error;
  const { port } = refused.address;
  const holder = inForce.find((one) => one.port === port);
  if (holder === undefined) return error;
  const place = hostPort(holder.host, port);
  const where = holder.name === place ? '' : `, on ${place}`;
  const held = `by the listener "${holder.name}"${where}: another host at its port takes a restart`;
  return new StartupError(`${error.message} ${held}`);
}
