/**
 * Scenarios in which h2load asks over HTTP/2, as fast as that goes.
 */
import { findProgram } from '../support/environment.js';
import { readTreeCpu, subtractCpu } from '../support/process-cpu.js';
import { CPU_PER_REQUEST, cpuPerRequest } from './closed-loop.js';
import { assertRightAnswer, HOST } from './contender.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from './scenario.js';
import { PLAIN_GET } from './scenarios/plain-get.js';
import { speaksTls } from './tls-scenarios.js';

const SMOKE_REQUESTS = 200;
const DEADLINE_SLACK_MS = 15_000;

const MEASURES = [
  CPU_PER_REQUEST,
  measure({
    key: 'perSecond',
    title: 'requests/s',
    short: 'rate',
    unit: '/s',
    meaning: 'requests answered in a second, all streams together',
    better: 'more',
    isMain: true,
  }),
];

interface Http2Load {
  readonly name: string;
  readonly title: string;
  readonly connections: number;
  /** Streams of a connection at once. */
  readonly streams: number;
}

export function http2Scenario({ name, title, connections, streams }: Http2Load): Scenario {
  return {
    name,
    title,
    notes: ['Asked by h2load (Debian: nghttp2-client), which repeats the same fields.'],
    measures: MEASURES,
    roundsMin: 1,
    hasWarmup: true,
    takes: (contender) => speaksTls(contender) && findProgram('h2load') !== '',
    run: (context) => runRound(context, connections, streams),
  };
}

async function runRound(
  context: RoundContext,
  connections: number,
  streams: number,
): Promise<RoundFigures> {
  const running = await context.running('plain');
  const { child, port, nameThread } = running;
  await assertRightAnswer(PLAIN_GET, running);
  const length = context.isSmoke ? ['-n', String(SMOKE_REQUESTS)] : ['-D', String(context.seconds)];
  const load = ['-t', '1', '-c', String(connections), '-m', String(streams), ...length];
  const url = `https://${HOST}:${port}${PLAIN_GET.path}`;
  const deadlineMs = context.seconds * 1000 + DEADLINE_SLACK_MS;
  const before = readTreeCpu(child.pid);
  const output = await context.children.run(
    'h2load',
    [findProgram('h2load'), ...load, url],
    deadlineMs,
  );
  const used = subtractCpu(before, readTreeCpu(child.pid));
  const requests = numberIn(output, /(\d+) succeeded/);
  if (requests === 0) throw new Error(`not one reply came: ${output.trim()}`);
  const { values, byThreadUs } = cpuPerRequest(used, requests, nameThread);
  return {
    values: { ...values, perSecond: numberIn(output, /([\d.]+) req\/s/) },
    byThreadUs,
    errors: errorsIn(output),
  };
}

function errorsIn(output: string): Record<string, number> {
  const failed = numberIn(output, /(\d+) failed/);
  return failed === 0 ? {} : { failed };
}

function numberIn(output: string, pattern: RegExp): number {
  return Number(pattern.exec(output)?.[1] ?? 0);
}
