/**
 * Question: what does a round trip over a WebSocket cost, on sockets that stay open?
 */
import { fileURLToPath } from 'node:url';
import { readTreeCpu, subtractCpu } from '../../support/process-cpu.js';
import { CPU_PER_REQUEST, cpuPerRequest } from '../closed-loop.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from '../scenario.js';
import { SOCKET_RESULT, type SocketResult } from '../socket-client.js';

const CLIENT = fileURLToPath(new URL('../socket-client.js', import.meta.url));
const SOCKETS = 32;
const SMOKE_TRIPS = 200;
const DEADLINE_SLACK_MS = 15_000;

export const websocketEcho: Scenario = {
  name: 'websocket-echo',
  title: `messages of 128 bytes over ${SOCKETS} WebSockets, sent back by the target`,
  notes: ['Client and target are of the package ws, and do not compress.'],
  measures: [
    CPU_PER_REQUEST,
    measure({
      key: 'perSecond',
      title: 'round trips/s',
      short: 'rate',
      unit: '/s',
      meaning: 'messages that came back in a second, all sockets together',
      better: 'more',
      isMain: true,
    }),
  ],
  roundsMin: 1,
  hasWarmup: true,
  takes: ({ abilities }) => abilities.includes('websocket'),
  run: runRound,
};

async function runRound(context: RoundContext): Promise<RoundFigures> {
  const { child, port, socketPort = port, nameThread } = await context.running('sockets');
  const { seconds, isSmoke } = context;
  const load = [socketPort, SOCKETS, seconds, isSmoke ? SMOKE_TRIPS : 0].map(String);
  const before = readTreeCpu(child.pid);
  const output = await context.children.run(
    'socket client',
    [process.execPath, CLIENT, ...load],
    seconds * 1000 + DEADLINE_SLACK_MS,
  );
  const used = subtractCpu(before, readTreeCpu(child.pid));
  const line = output.split('\n').find((one) => one.startsWith(SOCKET_RESULT));
  if (line === undefined) throw new Error(`no result: ${output.trim()}`);
  const result = JSON.parse(line.slice(SOCKET_RESULT.length)) as SocketResult;
  if (result.trips === 0) throw new Error(`no message came back: ${JSON.stringify(result.errors)}`);
  const { values, byThreadUs } = cpuPerRequest(used, result.trips, nameThread);
  return {
    values: { ...values, perSecond: result.trips / result.seconds },
    byThreadUs,
    errors: result.errors,
  };
}
