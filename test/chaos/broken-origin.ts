/** An origin that dies, is frozen, and comes back: its clients hear so, and then are served. */
import type { LoadFigures } from './load-tally.js';
import { OriginServer } from './origin-server.js';
import type { Row } from './report.js';
import { addFigures, type Rig, seconds } from './rig.js';

const RATE = 200;
const DOWN_S = 1;
const KNOWN_KINDS = /^(502|503|504) GW_(UPSTREAM_\w+|CIRCUIT_OPEN)$/;

/** The origin is away for a second; `back` brings it back. */
async function runAway(rig: Rig, fault: string, away: () => Promise<() => Promise<void>>) {
  const load = rig.load(RATE);
  await seconds(1);
  await load.take();
  const before = rig.memoryMb();
  const back = await away();
  await seconds(DOWN_S);
  await back();
  const backMs = performance.now();
  const figures = await load.take();
  await untilWell(load.take.bind(load), figures);
  const recoverMs = performance.now() - backMs;
  addFigures(figures, await load.stop());
  const wrongs = await rig.leftovers();
  const odd = Object.keys(figures.kinds).filter((kind) => !KNOWN_KINDS.test(kind));
  if (odd.length > 0) wrongs.push(`answers that are not documented: ${odd.join(', ')}`);
  const memoryMb = [before, rig.memoryMb()] as const;
  return { fault, figures, recoverMs, memoryMb, wrongs, notes: [] } satisfies Row;
}

/** Until a whole sample is good. */
async function untilWell(take: () => Promise<LoadFigures>, into: LoadFigures): Promise<void> {
  const untilMs = performance.now() + 20_000;
  for (;;) {
    await seconds(0.1);
    const sample = await take();
    addFigures(into, sample);
    const { good, late, failed, refused, dropped } = sample;
    if (good > 0 && late + failed + refused + dropped === 0) return;
    if (performance.now() > untilMs) throw new Error('the origin is back, its clients are not');
  }
}

export function runOriginKilled(rig: Rig): Promise<Row> {
  return runAway(rig, 'origin killed, back after 1 s', async () => {
    const { port } = rig.origin;
    await rig.origin.kill();
    return async () => {
      rig.origin = await OriginServer.start(port);
    };
  });
}

export function runOriginFrozen(rig: Rig): Promise<Row> {
  return runAway(rig, 'origin frozen for 1 s', async () => {
    rig.origin.pause();
    return async () => rig.origin.resume();
  });
}
