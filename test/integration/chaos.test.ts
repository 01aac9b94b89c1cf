/** The short form of `npm run test:chaos`, without its times: those are for a quiet machine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { builtFile } from '../support/built-file.js';

const FAULTS = [
  'worker crash',
  'worker hang',
  'worker oom',
  'coordinator crash',
  'coordinator hang',
  '10 × capacity',
  'hostile clients',
  'origin killed',
  'origin frozen',
];

it('every fault ends as it should, and leaves nothing behind', { timeout: 180_000 }, async () => {
  const run = promisify(execFile)(process.execPath, [builtFile('test/chaos/run.js')]);
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  expect(stdout).not.toContain('WRONG');
  for (const fault of FAULTS) expect(stdout).toContain(fault);
});
