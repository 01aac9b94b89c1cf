/**
 * By what a session that ends before its time is found.
 *
 * Thread: any (pure).
 */
import type { LoginEnd, LoginSession } from '../../../base/login.js';
import type { Claims } from '../authenticator.js';

export function endKey(provider: string, by: LoginEnd['by'], value: string): string {
  return `${provider}\n${by}\n${value}`;
}

/** The keys of all ends that would be this session's. */
export function endKeysOf(
  provider: string,
  { id }: LoginSession,
  { sid, sub }: Claims,
): readonly string[] {
  return [
    endKey(provider, 'id', id),
    ...(typeof sid === 'string' ? [endKey(provider, 'sid', sid)] : []),
    ...(typeof sub === 'string' ? [endKey(provider, 'sub', sub)] : []),
  ];
}
