/**
 * Of a process: that V8 does what the flag says, on the Node.js that runs this.
 */
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { builtFile } from '../support/built-file.js';

const [YOUNG, CLOCK] = ['src/supervisor/young-generations.js', 'src/base/clock.js'].map(
  (path) => pathToFileURL(builtFile(path)).href,
);

const SCRIPT = `
  const { getHeapSpaceStatistics } = await import('node:v8');
  const { YoungGenerations } = await import('${YOUNG}');
  const { systemClock } = await import('${CLOCK}');
  const kept = [];
  const bytesAfterLoading = () => {
    for (let at = 0; at < 300_000; at += 1) kept.push({ at });
    return getHeapSpaceStatistics().find((one) => one.space_name === 'new_space').space_size;
  };
  const young = new YoungGenerations(systemClock);
  young.hold();
  const held = bytesAfterLoading();
  young.letGrow();
  console.log(JSON.stringify({ held, free: bytesAfterLoading() }));
  process.exit();
`;

it('a young generation that is held does not grow, and grows once it is let', () => {
  const args = ['--input-type=module', '--eval', SCRIPT];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  const { held, free } = JSON.parse(stdout) as { held: number; free: number };
  expect(held).toBeLessThanOrEqual(4 * 2 ** 20);
  expect(free).toBeGreaterThan(4 * 2 ** 20);
});
