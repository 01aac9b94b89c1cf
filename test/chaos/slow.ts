/**
 * Thousands of slow connections of one kind: a quiet client beside them must hardly notice, and
 * nothing of them may stay when they are gone.
 */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { PairFiles } from '../support/pair-files.js';
import { TestAuthority } from '../support/test-authority.js';
import type { LoadPlan } from './load-client.js';
import { LoadProcess } from './load-process.js';
import type { LoadFigures } from './load-tally.js';
import type { Row } from './report.js';
import { addFigures, percentile, Rig, seconds } from './rig.js';
import { SLOW_KINDS, SlowClients } from './slow-clients.js';

const RATE = 200;
/** Each on a connection of its own. */
const FRESH_RATE = 20;
const PERCENT = 99;

export interface SlowForm {
  readonly count: number;
  readonly measureS: number;
  /** Until arrivals are over. */
  readonly settleS: number;
  readonly isStrict: boolean;
}

type SlowKind = (typeof SLOW_KINDS)[number];

export const SLOW_FAULTS = SLOW_KINDS.map((kind) => ({
  name: kind.name,
  async run(given: SlowForm): Promise<Row> {
    // More of them: what counts is the memory that each takes. With 20,000 open files a gateway
    // takes 9,900 connections.
    const count = kind.tls === 'handshake' ? Math.min(9800, 2 * given.count) : given.count;
    const form = { ...given, count };
    const authority = new TestAuthority();
    const files = new PairFiles('link', authority.sign({ names: 'DNS:load' }));
    const { cert, key } = files;
    const tls = { certificates: [{ cert, key }] };
    // Those that shake hands are to stand until the last of them is through.
    const more = kind.tls === 'handshake' ? { headTimeout: '300s' } : {};
    const listen = [
      { name: 'plain', port: await freePort(), engine: 'wire' },
      { name: 'tls', port: await freePort(), engine: 'wire', tls, ...more },
    ];
    const limits = { workerHeap: '128MiB', connections: form.count + 1000 };
    const rig = await Rig.start({ listen, limits: { ...limits, connectionsPerAddress: 1024 } });
    try {
      const { port } = listen[kind.tls === 'no' ? 0 : 1] as { port: number };
      const ca = kind.tls === 'no' ? {} : { ca: authority.cert };
      return await measure(rig, kind, { port, ...ca }, form);
    } finally {
      await rig.stop();
      files.remove();
      authority.remove();
    }
  },
}));

async function measure(
  rig: Rig,
  kind: SlowKind,
  where: Pick<LoadPlan, 'port' | 'ca'>,
  { count, measureS, settleS, isStrict }: SlowForm,
): Promise<Row> {
  const load = new QuietLoad(where);
  await seconds(settleS);
  await load.take();
  await seconds(measureS);
  const quiet = await load.take();
  const base = rig.memoryMb();
  const clients = await SlowClients.start({ kind: kind.name, port: where.port, count });
  // Their arrival is a flood of its own; what is looked at is how it is while they stand.
  await seconds(settleS);
  await load.take();
  await seconds(measureS);
  const loud = await load.take();
  const standing = (await rig.stats()).connections.open;
  const held = rig.memoryMb();
  await clients.stop();
  await load.stop();
  const wrongs = await rig.leftovers();
  const open = await connectionsLeft(rig);
  if (open > 0) wrongs.push(`${open} connections are left`);
  const { failed, dropped, refused } = loud.all;
  if (failed + dropped + refused > 0) wrongs.push(`noticed: ${JSON.stringify(loud.all.kinds)}`);
  if (isStrict && loud.keptMs > 3 * quiet.keptMs) wrongs.push('p99 over three times its value');
  const notes = [
    `p99 kept ${quiet.keptMs.toFixed(1)} → ${loud.keptMs.toFixed(1)} ms`,
    `fresh ${quiet.freshMs.toFixed(1)} → ${loud.freshMs.toFixed(1)} ms`,
    `${standing} stand`,
    `${(((held - base) * 1024) / count).toFixed(1)} KiB each`,
    `${rig.memoryMb()} MB afterwards`,
  ];
  const fault = `${count} ${kind.name}`;
  return { fault, figures: loud.all, recoverMs: null, memoryMb: [base, held], wrongs, notes };
}

interface QuietFigures {
  readonly all: LoadFigures;
  readonly keptMs: number;
  readonly freshMs: number;
}

/** A client that keeps its connections, and one that opens one for each request. */
class QuietLoad {
  private readonly kept: LoadProcess;
  private readonly fresh: LoadProcess;

  constructor(where: Pick<LoadPlan, 'port' | 'ca'>) {
    const plan = { ...where, path: '/quick', connections: 256, deadlineMs: 1000 };
    this.kept = LoadProcess.start({ ...plan, rate: RATE });
    this.fresh = LoadProcess.start({ ...plan, rate: FRESH_RATE, isFresh: true });
  }

  async take(): Promise<QuietFigures> {
    const [kept, fresh] = await Promise.all([this.kept.take(), this.fresh.take()]);
    const keptMs = percentile(kept.goodMs, PERCENT);
    const freshMs = percentile(fresh.goodMs, PERCENT);
    addFigures(kept, fresh);
    return { all: kept, keptMs, freshMs };
  }

  async stop(): Promise<void> {
    await Promise.all([this.kept.stop(), this.fresh.stop()]);
  }
}

/** How many connections are open when nobody should have one any more. */
async function connectionsLeft(rig: Rig): Promise<number> {
  const untilMs = performance.now() + 15_000;
  for (;;) {
    const { open } = (await rig.stats()).connections;
    if (open === 0 || performance.now() > untilMs) return open;
    await seconds(0.1);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
