/** Thousands of slow and hostile clients: a well-behaved one must hardly notice. */
import { HostileClients } from './hostile-clients.js';
import type { Row } from './report.js';
import { percentile, type Rig, seconds } from './rig.js';

const RATE = 200;
const PERCENT = 99;

export async function runHostile(rig: Rig, count: number, measureS: number, isStrict: boolean) {
  const load = rig.load(RATE);
  await seconds(1);
  await load.take();
  await seconds(measureS);
  const quietMs = percentile((await load.take()).goodMs, PERCENT);
  const before = rig.memoryMb();
  const clients = await HostileClients.start(rig.gateway.port, count);
  // Their arrival is a flood of its own; what is looked at is how it is while they stand.
  await seconds(3);
  await load.take();
  await seconds(measureS);
  const standing = (await rig.stats()).connections.open;
  const figures = await load.stop();
  const after = rig.memoryMb();
  await clients.stop();
  const wrongs = await rig.leftovers();
  const { failed, dropped, refused } = figures;
  if (failed + dropped + refused > 0) wrongs.push(`noticed: ${JSON.stringify(figures.kinds)}`);
  const loudMs = percentile(figures.goodMs, PERCENT);
  if (isStrict && loudMs > 3 * quietMs) wrongs.push('p99 over three times its quiet value');
  const notes = [`p99 ${quietMs.toFixed(1)} → ${loudMs.toFixed(1)} ms`, `${standing} stand`];
  return {
    fault: `${count} hostile clients`,
    figures,
    recoverMs: null,
    memoryMb: [before, after],
    wrongs,
    notes,
  } satisfies Row;
}
