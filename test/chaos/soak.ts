/**
 * Ten minutes of a mixed load, faults among it: memory must be flat, and nothing be left behind.
 * Its first minute is not looked at: heaps grow to their working size then.
 */
import type { Row } from './report.js';
import { addFigures, percentile, type Rig, seconds } from './rig.js';

const MINUTES = 10;
const FAULTS = ['worker/0/crash', 'coordinator/crash', 'worker/1/hang'];

export async function runSoak(rig: Rig, isStrict: boolean): Promise<Row> {
  const loads = [rig.load(2000), rig.load(600, '/work', 500), rig.load(20, '/hang', 200)];
  await seconds(60);
  await Promise.all(loads.map((load) => load.take()));
  const before = rig.memoryMb();
  const figures = await (loads[0] as (typeof loads)[0]).take();
  const samples: number[] = [];
  for (let minute = 1; minute < MINUTES; minute++) {
    const fault = FAULTS[minute % FAULTS.length];
    if (fault !== undefined) await rig.inject(fault);
    for (let sample = 0; sample < 6; sample++) {
      await seconds(10);
      samples.push(rig.memoryMb());
    }
    for (const load of loads) addFigures(figures, await load.take());
    figures.goodMs.length = 0;
    figures.refusedMs.length = 0;
  }
  for (const load of loads) addFigures(figures, await load.stop());
  const wrongs = await rig.leftovers();
  const warnings = rig.gateway.stderr;
  if (warnings !== '') wrongs.push(`on standard error: ${warnings.slice(0, 200)}`);
  const last = percentile(samples.slice(-12), 50);
  if (isStrict && last > before * 1.2) wrongs.push('memory grows');
  return {
    fault: `soak of ${MINUTES} min`,
    figures,
    recoverMs: null,
    memoryMb: [before, last],
    wrongs,
    notes: [
      Object.entries(figures.kinds)
        .map(([kind, count]) => `${count} × ${kind}`)
        .join(', '),
    ],
  };
}
