/** The short form of `npm run test:soak`: everything at once, for as long as two reloads take. */
import { expect, it } from 'vitest';
import type { SoakResult } from '../chaos/soak/soak.js';
import { builtFile } from '../support/built-file.js';

const { runSoak } = (await import(builtFile('test/chaos/soak/soak.js'))) as {
  runSoak(form: object): Promise<SoakResult>;
};

it('nothing fails but beside a fault, and both sides count the same', async () => {
  const form = { seconds: 5, rate: 30, reloadEveryMs: 2000, faultEveryMs: 2500, acceptors: 1 };
  const { visits, wrongs, reloads, faults } = await runSoak({ ...form, judgesGrowth: false });
  expect(wrongs).toEqual([]);
  expect(Object.keys(visits).length).toBeGreaterThan(10);
  expect(Math.min(reloads, faults)).toBeGreaterThan(0);
}, 120_000);
