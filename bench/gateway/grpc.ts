/**
 * Scenarios of unary calls of gRPC, as fast as they go, to a target that costs little.
 */
import { fileURLToPath } from 'node:url';
import { readTreeCpu, subtractCpu } from '../support/process-cpu.js';
import { CPU_PER_REQUEST, cpuPerRequest } from './closed-loop.js';
import { GRPC_RESULT, type GrpcResult } from './grpc-client.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from './scenario.js';

const CLIENT = fileURLToPath(new URL('./grpc-client.js', import.meta.url));
const SMOKE_CALLS = 200;
const DEADLINE_SLACK_MS = 15_000;

const MEASURES = [
  CPU_PER_REQUEST,
  measure({
    key: 'perSecond',
    title: 'calls/s',
    short: 'rate',
    unit: '/s',
    meaning: 'calls that ended with the status OK in a second, all streams together',
    better: 'more',
    isMain: true,
  }),
];

interface GrpcLoad {
  readonly name: string;
  readonly title: string;
  readonly connections: number;
  /** Calls of a connection at once. */
  readonly streams: number;
}

export function grpcScenario({ name, title, connections, streams }: GrpcLoad): Scenario {
  return {
    name,
    title,
    notes: [
      'Over HTTP/2 in clear text on both sides; client and target are those of the bench itself.',
      'Requests of 128 bytes have no length in their head, and a deadline.',
    ],
    measures: MEASURES,
    roundsMin: 1,
    hasWarmup: true,
    takes: ({ abilities }) => abilities.includes('grpc'),
    run: (context) => runRound(context, connections, streams),
  };
}

async function runRound(
  context: RoundContext,
  connections: number,
  streams: number,
): Promise<RoundFigures> {
  const { child, grpcPort, nameThread } = await context.running('grpc');
  if (grpcPort === undefined) throw new Error('it has no port for calls');
  const { seconds } = context;
  const calls = context.isSmoke ? SMOKE_CALLS : 0;
  const load = [grpcPort, connections, streams, seconds, calls].map(String);
  const before = readTreeCpu(child.pid);
  const output = await context.children.run(
    'grpc client',
    [process.execPath, CLIENT, ...load],
    seconds * 1000 + DEADLINE_SLACK_MS,
  );
  const used = subtractCpu(before, readTreeCpu(child.pid));
  const line = output.split('\n').find((one) => one.startsWith(GRPC_RESULT));
  if (line === undefined) throw new Error(`no result: ${output.trim()}`);
  const result = JSON.parse(line.slice(GRPC_RESULT.length)) as GrpcResult;
  if (result.calls === 0) throw new Error(`not one call: ${JSON.stringify(result.errors)}`);
  const { values, byThreadUs } = cpuPerRequest(used, result.calls, nameThread);
  return {
    values: { ...values, perSecond: result.calls / result.seconds },
    byThreadUs,
    errors: result.errors,
  };
}
