/**
 * The engine that the gateways of this run speak with clients by: GATEWAY_ENGINE says it, for them
 * and for the tests.
 */

export const ENGINE: 'wire' | 'uws' = process.env['GATEWAY_ENGINE'] === 'wire' ? 'wire' : 'uws';

/** What holds for the engine of this run, where the two differ. */
export function byEngine<T>(wish: { readonly wire: T; readonly uws: T }): T {
  return wish[ENGINE];
}
