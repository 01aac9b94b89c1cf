/**
 * What requests may be at a listener: the bounds of the gateway and the listener's own rules.
 *
 * Thread: any (pure). The engine `wire` reads by them, and `explain` judges by them.
 */
import type { ListenerSettings } from '../config/listener-settings.js';
import type { RequestRules } from '../wire/http1/request-rules.js';

/** What all listeners have in common. */
export type GuardLimits = Pick<
  RequestRules,
  'headerBytes' | 'headerFields' | 'bodyBytes' | 'bodyOnGet'
>;

/** The rules for requests that come to a listener with these settings. */
export function rulesOfListener(
  { headerBytes, headerFields, bodyBytes, bodyOnGet }: GuardLimits,
  { underscores, rawCharacters }: Pick<ListenerSettings, 'underscores' | 'rawCharacters'>,
): RequestRules {
  return { headerBytes, headerFields, bodyBytes, bodyOnGet, underscores, rawCharacters };
}
