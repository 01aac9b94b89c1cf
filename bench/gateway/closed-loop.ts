/**
 * Scenarios in which a fixed number of connections each send the next request when the last
 * reply is there, as fast as that goes.
 */
import { readTreeCpu, subtractCpu, type ThreadCpu } from '../support/process-cpu.js';
import type { BenchRequest } from './bench-requests.js';
import {
  assertRightAnswer,
  type Contender,
  HOST,
  type NameThread,
  probe,
  type RunningContender,
  type Variant,
} from './contender.js';
import {
  type Measure,
  measure,
  type RoundContext,
  type RoundFigures,
  type Scenario,
} from './scenario.js';

export interface ClosedLoop {
  readonly name: string;
  readonly title: string;
  readonly notes?: readonly string[];
  readonly request: BenchRequest;
  /** Which process of the contender is asked, and for what if not for `request`. */
  choose?(contender: Contender): { readonly variant: Variant; readonly request: BenchRequest };
  /** Absent: everybody. */
  takes?(contender: Contender): boolean;
  /** Absent: what the command line says. */
  readonly connections?: number;
  /** Measured just before in each round, on the plain process; the cost is shown as a ratio. */
  readonly besides?: BenchRequest;
  readonly extraMeasures?: readonly Measure[];
  relate?(own: RoundFigures, direct: RoundFigures | undefined): RoundFigures;
}

export const CPU_PER_REQUEST: Measure = measure({
  key: 'cpuUs',
  title: 'CPU µs',
  short: 'CPU',
  unit: 'µs',
  meaning: 'processor time of all its threads and processes, divided by the requests',
  isMain: true,
  isOfDirect: false,
});

const MEASURES: readonly Measure[] = [
  CPU_PER_REQUEST,
  measure({ key: 'userUs', title: 'user', unit: 'µs', meaning: 'its own code', isOfDirect: false }),
  measure({
    key: 'systemUs',
    title: 'system',
    unit: 'µs',
    meaning: "the kernel's work for it",
    isOfDirect: false,
  }),
  measure({
    key: 'perSecond',
    title: 'requests/s',
    short: 'rate',
    unit: '/s',
    meaning: 'requests answered in a second, all connections together',
    better: 'more',
    isMain: true,
  }),
  measure({
    key: 'p50Ms',
    title: 'p50 ms',
    unit: 'ms',
    meaning: 'half of the replies took no longer, with all connections busy',
  }),
  measure({ key: 'p99Ms', title: 'p99 ms', unit: 'ms', meaning: '99 of 100 took no longer' }),
];

const BESIDES: Measure = measure({
  key: 'cpuVsPlain',
  title: 'CPU/own plain',
  unit: '×',
  meaning: 'CPU per request divided by its own for a plain GET in the same round',
  isMain: true,
  hasRatio: false,
  isOfDirect: false,
});

export function closedLoop(given: ClosedLoop): Scenario {
  const { besides, extraMeasures = [], relate } = given;
  return {
    name: given.name,
    title: given.title,
    notes: given.notes ?? [],
    measures: [...extraMeasures, ...(besides === undefined ? [] : [BESIDES]), ...MEASURES],
    roundsMin: 1,
    hasWarmup: true,
    takes: (contender) => given.takes?.(contender) ?? true,
    async run(context) {
      const plain = { variant: 'plain', request: given.request } as const;
      const { variant, request } = given.choose?.(context.contender) ?? plain;
      const running = await context.running(variant);
      // A smoke run shows that it works, which a few connections do as well.
      const asked = context.isSmoke ? undefined : given.connections;
      const connections = asked ?? context.connections;
      const isOwnPlain = besides === undefined || request === besides;
      const base = isOwnPlain
        ? undefined
        : await measureLoad(context, await context.running('plain'), { request: besides });
      const own = await measureLoad(context, running, { request, connections });
      if (base === undefined) return own;
      const cpuVsPlain = ratio(own.values['cpuUs'], base.values['cpuUs']);
      return { ...own, values: { ...own.values, cpuVsPlain } };
    },
    ...(relate === undefined ? {} : { relate }),
  };
}

/** One run of the load generator, with the CPU time that the contender spent meanwhile. */
export async function measureLoad(
  context: RoundContext,
  running: RunningContender,
  what: { readonly request: BenchRequest; readonly connections?: number },
): Promise<RoundFigures> {
  const { port, isTls, child } = running;
  const { request } = what;
  const isRefusalExpected = request.status >= 400;
  // The limit's one request, before those that it refuses.
  if (isRefusalExpected) await probe({ port, isTls, path: request.path });
  await assertRightAnswer(request, running);
  const before = readTreeCpu(child.pid);
  const load = await context.load.run({
    url: `${isTls ? 'https' : 'http'}://${HOST}:${port}${request.path}`,
    method: request.method,
    headers: request.headers,
    body: request.body,
    isRefusalExpected,
    connections: what.connections ?? context.connections,
    seconds: context.seconds,
  });
  const used = subtractCpu(before, readTreeCpu(child.pid));
  if (load.requests === 0) throw new Error('not one reply came');
  if (child.hasEnded) throw new Error(`it ended under load: ${child.output.trim()}`);
  const { values, byThreadUs } = cpuPerRequest(used, load.requests, running.nameThread);
  return {
    values: {
      ...values,
      perSecond: load.perSecond,
      p50Ms: load.p50Us / 1000,
      p99Ms: load.p99Us / 1000,
    },
    byThreadUs,
    errors: load.errors,
  };
}

export function cpuPerRequest(
  used: readonly ThreadCpu[],
  requests: number,
  nameThread: NameThread,
): Pick<RoundFigures, 'values' | 'byThreadUs'> {
  const sum = (of: (thread: ThreadCpu) => number) =>
    used.length === 0 ? Number.NaN : used.reduce((all, thread) => all + of(thread), 0) / requests;
  const byThreadUs: Record<string, number> = {};
  for (const thread of used) {
    const name = nameThread(thread);
    byThreadUs[name] = (byThreadUs[name] ?? 0) + thread.totalUs / requests;
  }
  const values = {
    cpuUs: sum((thread) => thread.totalUs),
    userUs: sum((thread) => thread.userUs),
    systemUs: sum((thread) => thread.systemUs),
  };
  return { values, byThreadUs };
}

function ratio(a: number | undefined, b: number | undefined): number {
  return (a ?? Number.NaN) / (b ?? Number.NaN);
}
