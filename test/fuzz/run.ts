/** `npm run test:fuzz -- --cases 5000000 --seed 1`: the long form, by hand. */
import { parseArgs } from 'node:util';
import { FUZZERS } from './fuzzers.js';
import { seeded } from './mutations.js';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '5000000' },
    /** Only those with this in their name. */
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

let isWell = true;
for (const [name, fuzz] of Object.entries(FUZZERS)) {
  if (!name.includes(values.only)) continue;
  const random = seeded(Number(values.seed));
  const beganMs = performance.now();
  let wrong = '';
  let count = 0;
  for (; count < Number(values.cases) && wrong === ''; count++) wrong = fuzz(random);
  const took = ((performance.now() - beganMs) / 1000).toFixed(1);
  console.log(`${name}: ${count} inputs in ${took} s, seed ${values.seed}: ${wrong || 'well'}`);
  isWell &&= wrong === '';
}
process.exitCode = isWell ? 0 : 1;
