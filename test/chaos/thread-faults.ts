/** Threads that are made to fail under a steady load: nobody may notice. */
import { eventually } from '../support/eventually.js';
import type { Row } from './report.js';
import { type Rig, seconds } from './rig.js';

interface ThreadFault {
  readonly path: string;
  /** The line of the log that says that it is over. */
  readonly endLine: string;
  /** Longest time from the fault until then. */
  readonly recoverMsMax: number;
}

const LANE_SERVED = 'lane is served again';
const COORDINATOR_RUNS = 'coordinator runs again';

export const THREAD_FAULTS: readonly ThreadFault[] = [
  { path: 'worker/0/crash', endLine: LANE_SERVED, recoverMsMax: 1000 },
  { path: 'worker/0/hang', endLine: LANE_SERVED, recoverMsMax: 3000 },
  { path: 'worker/0/oom', endLine: LANE_SERVED, recoverMsMax: 3000 },
  { path: 'coordinator/crash', endLine: COORDINATOR_RUNS, recoverMsMax: 1000 },
  { path: 'coordinator/hang', endLine: COORDINATOR_RUNS, recoverMsMax: 1500 },
];

const RATE = 300;

export async function runThreadFault(
  rig: Rig,
  fault: ThreadFault,
  { isStrict, isHttp2 }: { readonly isStrict: boolean; readonly isHttp2: boolean },
) {
  const load = isHttp2 ? rig.loadHttp2(RATE) : rig.load(RATE);
  await seconds(1);
  await load.take();
  const before = rig.memoryMb();
  const ended = rig.gateway.find(fault.endLine).length;
  const beganMs = Date.now();
  await rig.inject(fault.path);
  await eventually(fault.endLine, () => rig.gateway.find(fault.endLine).length > ended, 30_000);
  const endedMs = Date.parse(String(rig.gateway.find(fault.endLine).at(-1)?.['time']));
  const recoverMs = endedMs - beganMs;
  await seconds(1);
  const figures = await load.stop();
  const { failed, dropped, refused } = figures;
  const wrongs = await rig.leftovers();
  if (failed + dropped + refused > 0) wrongs.push(`noticed: ${JSON.stringify(figures.kinds)}`);
  if (isStrict && recoverMs > fault.recoverMsMax) wrongs.push(`over ${fault.recoverMsMax} ms`);
  const path = fault.path.replace(/\/0?/g, ' ').replace(/ +/g, ' ');
  const name = isHttp2 ? `h2 ${path}` : path;
  const memoryMb = [before, rig.memoryMb()] as const;
  return { fault: name, figures, recoverMs, memoryMb, wrongs, notes: [] } satisfies Row;
}
