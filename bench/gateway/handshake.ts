/**
 * Scenarios that open one TLS connection after another and send nothing on them.
 */
import { fileURLToPath } from 'node:url';
import { readTreeCpu, subtractCpu } from '../support/process-cpu.js';
import { cpuPerRequest } from './closed-loop.js';
import { HANDSHAKE_RESULT, type HandshakeResult } from './handshake-client.js';
import { measure, type RoundContext, type RoundFigures, type Scenario } from './scenario.js';
import { speaksTls } from './tls-scenarios.js';

const CLIENT = fileURLToPath(new URL('./handshake-client.js', import.meta.url));
const SMOKE_SECONDS = 0.3;
const DEADLINE_SLACK_MS = 15_000;

const MEASURES = [
  measure({
    key: 'perCore',
    title: 'handshakes/core',
    short: 'per core',
    unit: '/s',
    meaning: 'handshakes that a second of processor time is good for, all its threads together',
    better: 'more',
    isMain: true,
  }),
  measure({
    key: 'cpuUs',
    title: 'CPU µs',
    short: 'CPU',
    unit: 'µs',
    meaning: 'processor time of all its threads and processes, from accept to close, each',
    isMain: true,
  }),
  measure({
    key: 'perSecond',
    title: 'handshakes/s',
    unit: '/s',
    meaning: 'done in a second; the client, which shares the cores, bounds it',
    better: 'more',
  }),
];

export function handshakeScenario(kind: 'full' | 'resumed'): Scenario {
  const what = kind === 'full' ? 'full handshake' : 'handshake resumed from a ticket';
  return {
    name: `tls-handshake-${kind}`,
    title: `new connections, TLS 1.3, ${what}`,
    notes: ['The client closes a connection when its handshake is done; no request is sent on it.'],
    measures: MEASURES,
    roundsMin: 1,
    hasWarmup: true,
    takes: speaksTls,
    run: (context) => runRound(kind, context),
  };
}

async function runRound(kind: 'full' | 'resumed', context: RoundContext): Promise<RoundFigures> {
  const { child, port, nameThread } = await context.running('plain');
  const seconds = context.isSmoke ? SMOKE_SECONDS : context.seconds;
  const before = readTreeCpu(child.pid);
  const command = [process.execPath, CLIENT, kind, String(port), String(seconds)];
  const deadlineMs = seconds * 1000 + DEADLINE_SLACK_MS;
  const output = await context.children.run(`handshakes ${kind}`, command, deadlineMs);
  const used = subtractCpu(before, readTreeCpu(child.pid));
  const line = output.split('\n').find((one) => one.startsWith(HANDSHAKE_RESULT));
  if (line === undefined) throw new Error(`no result: ${output.trim()}`);
  const result = JSON.parse(line.slice(HANDSHAKE_RESULT.length)) as HandshakeResult;
  if (result.done === 0) throw new Error('not one handshake was done');
  const { values, byThreadUs } = cpuPerRequest(used, result.done, nameThread);
  const cpuUs = values['cpuUs'] ?? Number.NaN;
  return {
    values: { cpuUs, perCore: 1e6 / cpuUs, perSecond: result.done / result.seconds },
    byThreadUs,
    errors: result.errors,
  };
}
