/**
 * `node .ci/skipped-tests.mjs REPORT`: prints the tests that a run has skipped, from vitest's JSON
 * report. Ends with 1 when one of them does not say what it lacks (test/support/not-run.ts).
 */
import { readFileSync } from 'node:fs';

const { testResults } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const skipped = testResults
  .flatMap(({ assertionResults }) => assertionResults)
  .filter(({ status }) => status !== 'passed' && status !== 'failed')
  .map(({ fullName }) => fullName);
const isExplained = (name) => name.includes('(NOT RUN: ');
for (const name of skipped) {
  console.log(isExplained(name) ? name : `SKIPPED WITHOUT A REASON: ${name}`);
}
if (!skipped.every(isExplained)) process.exitCode = 1;
