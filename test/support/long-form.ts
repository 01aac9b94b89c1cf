/**
 * Whether tests run in their long form, by hand: see test/README.md. The suite runs the short one.
 */
import { env } from 'node:process';

export const IS_LONG = env['SLUICE_TEST_LONG'] === '1';

/** How often a dear property is tried: as often as this by hand, a quarter of it by the suite. */
export function runs(longForm: number): { readonly numRuns: number } {
  return { numRuns: IS_LONG ? longForm : Math.ceil(longForm / 4) };
}
