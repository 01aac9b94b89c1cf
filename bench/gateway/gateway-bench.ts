/**
 * What does a gateway cost per request, next to the ones people already run?
 *
 *   wrk or autocannon ──► contender (sluice | nginx | haproxy | fastify) ──► origin
 *                     └─► (direct) ────────────────────────────────────────►
 *
 * All contenders stand ready at once and take turns, A B C A B C: whatever the machine does
 * meanwhile, it does to all of them. Ratios are taken within a round and only then summed up.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { direct } from '../baseline/direct.js';
import { fastifyHttpProxy } from '../baseline/fastify-http-proxy.js';
import { haproxy } from '../baseline/haproxy.js';
import { nginx } from '../baseline/nginx.js';
import { ChildProcesses, type RunningChild, waitUntil } from '../support/child-processes.js';
import { chooseLoadGenerator, type LoadGenerator } from '../support/load-generator.js';
import { readTreeCpu, subtractCpu, type ThreadCpu } from '../support/process-cpu.js';
import { ProgressLine } from '../support/report.js';
import { type Contender, probe, type RunningContender } from './contender.js';
import { ORIGIN_READY } from './origin.js';
import type { ContenderRounds, RoundFigures, ScenarioResult } from './round-figures.js';
import type { Scenario } from './scenarios.js';
import { sluice } from './sluice.js';

export const CONTENDERS: readonly Contender[] = [direct, sluice, nginx, haproxy, fastifyHttpProxy];

export interface GatewayBenchOptions {
  readonly scenarios: readonly Scenario[];
  /** Names; empty: all. */
  readonly contenders: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly connections: number;
}

export interface GatewayBenchResult {
  readonly loadGenerator: string;
  readonly origin: string;
  readonly options: Omit<GatewayBenchOptions, 'scenarios'>;
  readonly versions: Readonly<Record<string, string>>;
  /** Contenders that did not run, with the reason. */
  readonly missing: Readonly<Record<string, string>>;
  /** What went wrong under way; the contender is left out of that scenario. */
  readonly failures: readonly string[];
  readonly scenarios: readonly ScenarioResult[];
}

interface Standing {
  readonly name: string;
  readonly running: RunningContender;
}

const ORIGIN_DEADLINE_MS = 10_000;
const EXIT_INTERRUPTED = 130;

/** Starts everything, measures, and ends everything, whatever happens in between. */
export async function runGatewayBench(options: GatewayBenchOptions): Promise<GatewayBenchResult> {
  const children = new ChildProcesses();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const cleanUp = async () => {
    await children.stopAll();
    rmSync(folder, { recursive: true, force: true });
  };
  const interrupt = () => {
    process.stderr.write('\nstopping what was started\n');
    void cleanUp().finally(() => process.exit(EXIT_INTERRUPTED));
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  process.once('SIGHUP', interrupt);
  try {
    return await new GatewayBenchRun(options, children, folder).run();
  } finally {
    await cleanUp();
    process.removeListener('SIGINT', interrupt);
    process.removeListener('SIGTERM', interrupt);
    process.removeListener('SIGHUP', interrupt);
  }
}

class GatewayBenchRun {
  readonly #options: GatewayBenchOptions;
  readonly #children: ChildProcesses;
  readonly #folder: string;
  readonly #load: LoadGenerator;
  readonly #progress = new ProgressLine();
  readonly #missing: Record<string, string> = {};
  readonly #failures: string[] = [];

  constructor(options: GatewayBenchOptions, children: ChildProcesses, folder: string) {
    this.#options = options;
    this.#children = children;
    this.#folder = folder;
    this.#load = chooseLoadGenerator(children, folder);
  }

  async run(): Promise<GatewayBenchResult> {
    const { child, port, server } = await this.#startOrigin();
    const standing = await this.#startContenders(child, port);
    const scenarios: ScenarioResult[] = [];
    for (const scenario of this.#options.scenarios) {
      scenarios.push(await this.#runScenario(scenario, standing));
    }
    this.#progress.clear();
    const { scenarios: _left, ...options } = this.#options;
    return {
      loadGenerator: this.#load.name,
      origin: server,
      options,
      versions: Object.fromEntries(standing.map((one) => [one.name, one.running.version])),
      missing: this.#missing,
      failures: this.#failures,
      scenarios,
    };
  }

  async #startOrigin(): Promise<{ child: RunningChild; port: number; server: string }> {
    const path = new URL('./origin.js', import.meta.url).pathname;
    const child = this.#children.start('origin', [process.execPath, path]);
    const find = () => new RegExp(`${ORIGIN_READY}(\\d+) (.+)`).exec(child.output);
    await waitUntil('the origin listens', ORIGIN_DEADLINE_MS, async () => find() !== null, child);
    const ready = find();
    return { child, port: Number(ready?.[1]), server: ready?.[2] ?? '' };
  }

  /** One contender that cannot start is named and left out; the others go on. */
  async #startContenders(origin: RunningChild, originPort: number): Promise<Standing[]> {
    const standing: Standing[] = [];
    for (const contender of CONTENDERS) {
      const { name } = contender;
      if (!isWanted(name, this.#options.contenders)) continue;
      const reason = contender.missing();
      if (reason !== '') {
        this.#leaveOut(name, reason);
        continue;
      }
      this.#progress.show(`starting ${name}`);
      const folder = join(this.#folder, name);
      mkdirSync(folder);
      try {
        const setup = { children: this.#children, originPort, folder, origin };
        standing.push({ name, running: await contender.start(setup) });
      } catch (error) {
        this.#leaveOut(name, 'it did not start');
        this.#fail(name, error);
      }
    }
    if (standing.length === 0) throw new Error('no contender could be started');
    return standing;
  }

  #leaveOut(name: string, reason: string): void {
    this.#missing[name] = reason;
    this.#progress.clear();
    process.stderr.write(`${name} is left out: ${reason}\n`);
  }

  async #runScenario(scenario: Scenario, standing: readonly Standing[]): Promise<ScenarioResult> {
    const { rounds: roundCount, seconds, warmupSeconds } = this.#options;
    const rounds = new Map<Standing, RoundFigures[]>();
    for (const one of standing) if (isWanted(one.name, scenario.onlyFor)) rounds.set(one, []);
    for (let round = warmupSeconds === 0 ? 1 : 0; round <= roundCount; round += 1) {
      const isWarmup = round === 0;
      for (const [one, figures] of rounds) {
        const where = isWarmup ? 'warm-up' : `round ${round} of ${roundCount}`;
        this.#progress.show(`${scenario.name}: ${where}, ${one.name}`);
        try {
          const taken = await this.#runRound(scenario, one, isWarmup ? warmupSeconds : seconds);
          if (!isWarmup) figures.push(taken);
        } catch (error) {
          rounds.delete(one);
          this.#fail(`${scenario.name}, ${one.name}`, error);
        }
      }
    }
    const contenders: ContenderRounds[] = [...rounds].map(([one, figures]) => ({
      name: one.name,
      rounds: figures,
    }));
    return { name: scenario.name, title: scenario.title, contenders };
  }

  #fail(where: string, error: unknown): void {
    const failure = `${where}: ${error instanceof Error ? error.message : String(error)}`;
    this.#failures.push(failure);
    this.#progress.clear();
    process.stderr.write(`${failure}\n`);
  }

  async #runRound(scenario: Scenario, one: Standing, seconds: number): Promise<RoundFigures> {
    const { port, child, nameThread } = one.running;
    await assertRightAnswer(scenario, one);
    const before = readTreeCpu(child.pid);
    const load = await this.#load.run({
      url: `http://127.0.0.1:${port}${scenario.path}`,
      method: scenario.method,
      headers: scenario.headers,
      body: scenario.body,
      connections: this.#options.connections,
      seconds,
    });
    const used = subtractCpu(before, readTreeCpu(child.pid));
    if (child.hasEnded) throw new Error(`${one.name} ended under load: ${child.output.trim()}`);
    return { ...load, cpu: cpuPerRequest(used, load.requests, nameThread) };
  }
}

/** A gateway that answers wrongly may be fast: nothing is measured before one right answer. */
async function assertRightAnswer(scenario: Scenario, one: Standing): Promise<void> {
  const { port } = one.running;
  const { method, path, headers, body } = scenario;
  const reply = await probe({ port, method, path, headers: withLength(headers, body), body });
  if (reply.status !== 200 || reply.body.length !== scenario.replyBytes) {
    const said = `${reply.status} and ${reply.body.length} bytes: ${reply.body.slice(0, 200)}`;
    throw new Error(`${one.name} answers ${scenario.name} with ${said}`);
  }
}

function withLength(headers: Readonly<Record<string, string>>, body: string) {
  return body === '' ? headers : { ...headers, 'Content-Length': String(body.length) };
}

function cpuPerRequest(
  used: readonly ThreadCpu[],
  requests: number,
  nameThread: (thread: ThreadCpu) => string,
): RoundFigures['cpu'] {
  const sum = (of: (thread: ThreadCpu) => number) =>
    used.length === 0 ? Number.NaN : used.reduce((all, thread) => all + of(thread), 0) / requests;
  const byThreadUs: Record<string, number> = {};
  for (const thread of used) {
    const name = nameThread(thread);
    byThreadUs[name] = (byThreadUs[name] ?? 0) + thread.totalUs / requests;
  }
  return {
    totalUs: sum((thread) => thread.totalUs),
    userUs: sum((thread) => thread.userUs),
    systemUs: sum((thread) => thread.systemUs),
    byThreadUs,
  };
}

function isWanted(name: string, names: readonly string[]): boolean {
  return names.length === 0 || names.includes(name);
}
