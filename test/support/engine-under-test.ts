/**
 * The engine that the gateways of this run speak with clients by: GATEWAY_ENGINE says it, for them
 * and for the tests. Without it: the one that a gateway takes by itself.
 */

export const ENGINE: 'wire' | 'uws' = process.env['GATEWAY_ENGINE'] === 'uws' ? 'uws' : 'wire';

/** What holds for the engine of this run, where the two differ. */
export function byEngine<T>(wish: { readonly wire: T; readonly uws: T }): T {
  return wish[ENGINE];
}
