/** The short form of `npm run test:chaos`, without its times: those are for a quiet machine. */
import { execFile } from 'node:child_process';
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
  'acceptors die',
];

interface Ended {
  /** 0: every fault ended as it should. */
  readonly exit: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

function runChaos(): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [builtFile('test/chaos/run.js')], (error, stdout, stderr) => {
      resolve({ exit: error === null ? 0 : (error.code ?? String(error.signal)), stdout, stderr });
    });
  });
}

it('every fault ends as it should, and leaves nothing behind', { timeout: 300_000 }, async () => {
  const { exit, stdout, stderr } = await runChaos();
  expect(stdout).not.toContain('WRONG');
  expect(exit, `${stdout}\n${stderr}`).toBe(0);
  for (const fault of FAULTS) expect(stdout).toContain(fault);
});
