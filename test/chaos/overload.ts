/** Ten times the requests that an upstream can take: those that are let in must be good. */
import { WORK_CAPACITY } from './origin-server.js';
import type { Row } from './report.js';
import { percentile, type Rig, seconds } from './rig.js';

/** Until the limit has found its place. */
const WARM_UP_S = 2;

async function goodput(rig: Rig, rate: number, seconds_: number) {
  const load = rig.load(rate, '/work', 3000);
  await seconds(WARM_UP_S);
  await load.take();
  await seconds(seconds_);
  const figures = await load.take();
  await load.stop();
  return { figures, perSecond: figures.good / seconds_ };
}

export async function runOverload(rig: Rig, measureS: number, isStrict: boolean): Promise<Row> {
  const peak = await goodput(rig, WORK_CAPACITY, measureS);
  const before = rig.memoryMb();
  const { figures, perSecond } = await goodput(rig, 10 * WORK_CAPACITY, measureS);
  const share = Math.round((100 * perSecond) / peak.perSecond);
  const wrongs = await rig.leftovers();
  const { failed, dropped } = figures;
  if (failed + dropped > 0) wrongs.push(`noticed: ${JSON.stringify(figures.kinds)}`);
  if (figures.good === 0 || figures.refused === 0) wrongs.push('nothing was let in, or all');
  if (isStrict && share < 90) wrongs.push(`goodput ${share} % of the peak`);
  const refusedMs = percentile(figures.refusedMs, 50).toFixed(1);
  return {
    fault: 'upstream: 10 × capacity',
    figures,
    recoverMs: null,
    memoryMb: [before, rig.memoryMb()],
    wrongs,
    notes: [
      `goodput ${Math.round(perSecond)}/s of ${Math.round(peak.perSecond)}/s (${share} %)`,
      `refused within ${refusedMs} ms (median)`,
    ],
  };
}
