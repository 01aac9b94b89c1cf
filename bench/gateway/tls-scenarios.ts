/**
 * Who takes part where: contenders with TLS in scenarios about it, and the others elsewhere.
 */

/** Scenarios that contenders with TLS take part in. */
export const TLS_SCENARIOS: readonly string[] = [
  'tls-get',
  'tls-handshake-full',
  'tls-handshake-resumed',
  'tls-stream-down',
  'http2-multiplexed',
  'http2-single',
  'resident-set',
];

/** How the names of contenders with TLS end. */
export const TLS_SUFFIX = '-tls';

export function speaksTls({ name }: { readonly name: string }): boolean {
  return name.endsWith(TLS_SUFFIX);
}
