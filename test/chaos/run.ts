/**
 * `npm run test:chaos`: starts the built gateway and real origins, drives load, injects each fault,
 * and prints a table. Ends with 1 when something is wrong.
 *
 *     --long     more clients, longer times, and a soak at the end
 *     --strict   times and shares count as well: for a machine that does nothing else
 *     --only X   faults whose names hold X
 */
import { parseArgs } from 'node:util';
import { manyAcceptorFaults, runAcceptorFaults, TWO_ACCEPTORS } from './acceptor-faults.js';
import { runOriginFrozen, runOriginKilled } from './broken-origin.js';
import { runHostile } from './hostile.js';
import { runOverload } from './overload.js';
import { formatTable, type Row } from './report.js';
import { LISTEN_HTTP2, Rig } from './rig.js';
import { SLOW_FAULTS } from './slow.js';
import { runSoak } from './soak.js';
import { runThreadFault, THREAD_FAULTS } from './thread-faults.js';

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});
const { long, strict, only } = values;

const slowForm = long
  ? { count: 5000, measureS: 6, settleS: 4, isStrict: strict }
  : { count: 300, measureS: 1, settleS: 1, isStrict: strict };

const FAULTS: readonly (readonly [name: string, run: (rig: Rig) => Promise<Row>])[] = [
  ...THREAD_FAULTS.flatMap((fault) =>
    [false, true].map((isHttp2) => {
      const form = { isStrict: strict, isHttp2 };
      const name = isHttp2 ? `h2 ${fault.path}` : fault.path;
      return [name, (rig: Rig) => runThreadFault(rig, fault, form)] as const;
    }),
  ),
  ['overload', (rig) => runOverload(rig, long ? 20 : 4, strict)],
  ['hostile', (rig) => runHostile(rig, long ? 6000 : 1000, long ? 6 : 4, strict)],
  ['origin killed', runOriginKilled],
  ['origin frozen', runOriginFrozen],
  ...(long ? [['soak', (rig: Rig) => runSoak(rig, strict)] as const] : []),
];

const rows: Row[] = [];

function show(row: Row): void {
  rows.push(row);
  console.log(formatTable([row]).split('\n').at(-1));
}

for (const [name, run] of FAULTS) {
  if (!name.includes(only)) continue;
  const rig = await Rig.start({ listen: LISTEN_HTTP2 });
  try {
    show(await run(rig));
  } finally {
    await rig.stop();
  }
}
const ACCEPTOR_FORMS: readonly (readonly [name: string, run: (rig: Rig) => Promise<Row>])[] = [
  ['acceptors', (rig) => runAcceptorFaults(rig)],
  ...(long
    ? [['acceptors die', (rig: Rig) => runAcceptorFaults(rig, manyAcceptorFaults(20))] as const]
    : []),
];

for (const [name, run] of ACCEPTOR_FORMS) {
  if (!name.includes(only)) continue;
  const rig = await Rig.start(TWO_ACCEPTORS);
  try {
    show(await run(rig));
  } finally {
    await rig.stop();
  }
}
for (const { name, run } of SLOW_FAULTS) {
  // Minutes, and memory: only where they are asked for.
  const isWanted = long || only.includes('slow');
  if (isWanted && `slow ${name}`.includes(only)) show(await run(slowForm));
}
console.log(`\n${formatTable(rows)}`);
process.exit(rows.some(({ wrongs }) => wrongs.length > 0) ? 1 : 0);
