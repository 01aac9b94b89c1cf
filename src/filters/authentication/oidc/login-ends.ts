/**
 * By what a session that ends before its time is found.
 *
 * Thread: any (pure).
 */
import type { LoginEnd, LoginSession } from '../../../base/login.js';
import type { Claims } from '../authenticator.js';

export function endKey(realm: string, by: LoginEnd['by'], value: string): string {
  return `${realm}\n${by}\n${value}`;
}

/** The keys of all ends that would be this session's. */
export function endKeysOf(
  realm: string,
  { id }: LoginSession,
  { sid, sub }: Claims,
): readonly string[] {
  return [
    endKey(realm, 'id', id),
    ...(typeof sid === 'string' ? [endKey(realm, 'sid', sid)] : []),
    ...(typeof sub === 'string' ? [endKey(realm, 'sub', sub)] : []),
  ];
}
