/**
 * Which engine a listener would get, said without looking at the machine.
 *
 * Thread: any (pure).
 */
import type { EngineName } from '../base/listener-address.js';
import type { ListenerSettings } from '../config/listener-settings.js';

/** `auto` is taken as `wire`: the native library is for those who ask for it. */
export function expectedEngine({ engine }: Pick<ListenerSettings, 'engine'>): EngineName {
  return engine === 'uws' ? 'uws' : 'wire';
}
