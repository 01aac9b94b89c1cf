/**
 * Plays the simulations: all their histories, or the one that a failure named.
 *
 *     npm run test:sim
 *     npm run test:sim -- --seed 52
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { seed: { type: 'string' } } });
const root = new URL('../../..', import.meta.url).pathname;
const vitest = dirname(createRequire(import.meta.url).resolve('vitest/package.json'));
const { status } = spawnSync(
  process.execPath,
  [
    join(vitest, 'vitest.mjs'),
    'run',
    '--config',
    'test/vitest.config.ts',
    '--project',
    'simulation',
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, SLUICE_SIM_SEED: values.seed ?? '' },
  },
);
process.exitCode = status ?? 1;
