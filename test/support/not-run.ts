/**
 * Suites that need something which a machine may lack. Where it is missing, one skipped test says
 * which suite was not run and why; `.ci/run` counts skipped tests without such a reason as failures.
 */
import { describe, it } from 'vitest';

/** Runs the suite, or reports it as not run for this reason; '': nothing is missing. */
export function describeUnless(missing: string, title: string, suite: () => void): void {
  if (missing === '') {
    describe(title, suite);
    return;
  }
  const text = `${title} (NOT RUN: ${missing})`;
  console.warn(text);
  it.skip(text);
}
