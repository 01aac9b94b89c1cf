/**
 * Whether tests run in their long form, by hand: see test/README.md. The suite runs the short one.
 */
import { env } from 'node:process';

export const IS_LONG = env['SLUICE_TEST_LONG'] === '1';
