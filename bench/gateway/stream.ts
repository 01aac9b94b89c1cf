/**
 * Scenarios that move one large body through a gateway, one way or the other.
 */
import { fileURLToPath } from 'node:url';
import { readTreeCpu, subtractCpu } from '../support/process-cpu.js';
import { readTreeMemory, resetPeaks } from '../support/process-memory.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from './scenario.js';
import { STREAM_RESULT, type StreamResult } from './stream-client.js';
import { speaksTls } from './tls-scenarios.js';

const CLIENT = fileURLToPath(new URL('./stream-client.js', import.meta.url));
const BYTES = { smoke: 4 * 2 ** 20, warmup: 64 * 2 ** 20, full: 2 ** 30 };
const DEADLINE_MS = 120_000;

const MEASURES = [
  measure({
    key: 'mbPerSecond',
    title: 'MB/s',
    short: 'throughput',
    unit: 'MB/s',
    meaning: 'million bytes of body in a second, from the request to the last byte',
    better: 'more',
    isMain: true,
  }),
  measure({
    key: 'peakGrowthMiB',
    title: 'peak + MiB',
    short: 'peak',
    unit: 'MiB',
    meaning: 'highest resident set under way, above the one before',
    isMain: true,
    hasRatio: false,
    isOfDirect: false,
  }),
  measure({
    key: 'cpuUsPerMb',
    title: 'CPU µs/MB',
    short: 'CPU',
    unit: 'µs/MB',
    meaning: 'processor time of all its threads and processes for a million bytes',
    isMain: true,
    isOfDirect: false,
  }),
];

type Direction = 'down' | 'up' | 'tls-down';

const NAMES = { down: 'stream-down', up: 'stream-up', 'tls-down': 'tls-stream-down' } as const;
const TITLES = {
  down: 'GET, 1 GiB back, one at a time',
  up: 'POST of 1 GiB, one at a time',
  'tls-down': 'GET over TLS, 1 GiB back, one at a time',
} as const;

export function streamScenario(direction: Direction): Scenario {
  return {
    name: NAMES[direction],
    title: TITLES[direction],
    notes: [
      'A run counts only when exactly as many bytes arrived as were sent.',
      'Client, gateway and origin share the cores: throughput is what is left for all three.',
    ],
    measures: MEASURES,
    roundsMin: 1,
    hasWarmup: true,
    takes: (contender) => speaksTls(contender) === (direction === 'tls-down'),
    run: (context) => runRound(direction, context),
  };
}

async function runRound(direction: Direction, context: RoundContext): Promise<RoundFigures> {
  const { child, port } = await context.running('plain');
  const bytes = BYTES[context.isSmoke ? 'smoke' : context.isWarmup ? 'warmup' : 'full'];
  const before = readTreeCpu(child.pid);
  resetPeaks(child.pid);
  const { residentMiB } = readTreeMemory(child.pid);
  const command = [process.execPath, CLIENT, direction, String(port), String(bytes)];
  const output = await context.children.run(`stream ${direction}`, command, DEADLINE_MS);
  const { peakMiB } = readTreeMemory(child.pid);
  const used = subtractCpu(before, readTreeCpu(child.pid));
  const line = output.split('\n').find((one) => one.startsWith(STREAM_RESULT));
  if (line === undefined) throw new Error(`no result: ${output.trim()}`);
  const result = JSON.parse(line.slice(STREAM_RESULT.length)) as StreamResult;
  if (result.bytes !== bytes) throw new Error(`${result.bytes} of ${bytes} bytes arrived`);
  const megabytes = bytes / 1e6;
  const cpuUs = used.reduce((sum, thread) => sum + thread.totalUs, 0);
  return {
    values: {
      mbPerSecond: megabytes / result.seconds,
      peakGrowthMiB: Math.max(0, peakMiB - residentMiB),
      cpuUsPerMb: used.length === 0 ? Number.NaN : cpuUs / megabytes,
    },
    byThreadUs: {},
    errors: {},
  };
}
