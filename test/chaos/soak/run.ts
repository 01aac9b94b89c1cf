/**
 * `npm run test:soak`: see soak.ts. Prints what came of it; ends with 1 when something is wrong.
 *
 *     --minutes N    how long; default: 30
 *     --rate N       visits a second; default: 100
 *     --acceptors N  acceptors of the gateway; default: 1
 *     --node FILE    the Node.js of the gateway; default: the one that runs this
 */
import { parseArgs } from 'node:util';
import { inWords } from './holdings.js';
import { runSoak } from './soak.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '100' },
    acceptors: { type: 'string', default: '1' },
    node: { type: 'string' },
  },
});

const seconds = Number(values.minutes) * 60;
const result = await runSoak({
  seconds,
  rate: Number(values.rate),
  reloadEveryMs: 10_000,
  faultEveryMs: 45_000,
  acceptors: Number(values.acceptors),
  node: values.node,
  judgesGrowth: seconds >= 300,
});

const { visits, excused, reloads, faults, holdings, sums, wrongs } = result;
console.log(`${reloads} reloads, ${faults} faults; visits, by kind:`);
for (const [kind, count] of Object.entries(visits)) console.log(`  ${count} ${kind}`);
console.log('failures, each with what explains it:');
for (const [kind, count] of Object.entries(excused)) console.log(`  ${count} × ${kind}`);
console.log('what is counted on both sides:');
for (const line of sums) console.log(`  ${line}`);
console.log('least values after the warm-up and at the end:');
for (const holding of holdings) console.log(`  ${inWords(holding)}`);
console.log(`resident memory by minute, in MiB: ${result.residentMiB.join(' ')}`);
console.log(`of that what V8 has for heaps, used or not: ${result.heldMiB.join(' ')}`);
for (const wrong of wrongs) console.log(`WRONG: ${wrong}`);
process.exit(wrongs.length > 0 ? 1 : 0);
