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

/** Scenarios that contenders with an origin over HTTP/2 take part in. */
export const HTTP2_ORIGIN_SCENARIOS: readonly string[] = ['plain-get', 'post-1k', 'reply-64k'];

/** How the names of contenders with TLS end. */
export const TLS_SUFFIX = '-tls';

export function speaksTls({ name }: { readonly name: string }): boolean {
  return name.endsWith(TLS_SUFFIX);
}
