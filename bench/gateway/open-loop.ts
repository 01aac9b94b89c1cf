/**
 * Runs the generator of load at a constant rate, and reads what it tells.
 */
import { fileURLToPath } from 'node:url';
import { readTreeCpu, subtractCpu } from '../support/process-cpu.js';
import { cpuPerRequest } from './closed-loop.js';
import type { RunningContender } from './contender.js';
import { OPEN_LOOP_RESULT, type OpenLoopResult } from './open-loop-client.js';
import type { RoundContext, RoundFigures } from './scenario.js';

const CLIENT = fileURLToPath(new URL('./open-loop-client.js', import.meta.url));
/** For the generator, which is a fresh process in each round. */
const WARMUP_SECONDS = { smoke: 0.3, full: 1 };
const DEADLINE_SLACK_MS = 20_000;

export interface PacedLoad {
  readonly path: string;
  /** Requests a second. */
  readonly rate: number;
  readonly connections: number;
}

export interface PacedFigures extends Pick<RoundFigures, 'byThreadUs'> {
  readonly result: OpenLoopResult;
  readonly cpuUs: number;
}

export async function measurePaced(
  { children, isSmoke, seconds }: RoundContext,
  { child, port, nameThread }: RunningContender,
  { path, rate, connections }: PacedLoad,
): Promise<PacedFigures> {
  const warmupSeconds = WARMUP_SECONDS[isSmoke ? 'smoke' : 'full'];
  const load = [port, path, rate, seconds, warmupSeconds, connections].map(String);
  const deadlineMs = (seconds + warmupSeconds) * 1000 + DEADLINE_SLACK_MS;
  const before = readTreeCpu(child.pid);
  const output = await children.run('open loop', [process.execPath, CLIENT, ...load], deadlineMs);
  const used = subtractCpu(before, readTreeCpu(child.pid));
  const line = output.split('\n').find((one) => one.startsWith(OPEN_LOOP_RESULT));
  if (line === undefined) throw new Error(`no result: ${output.trim()}`);
  const result = JSON.parse(line.slice(OPEN_LOOP_RESULT.length)) as OpenLoopResult;
  const { values, byThreadUs } = cpuPerRequest(used, result.requests, nameThread);
  return { result, cpuUs: values['cpuUs'] ?? Number.NaN, byThreadUs };
}
