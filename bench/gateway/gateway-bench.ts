/**
 * What does a gateway cost per request, next to the ones people already run?
 *
 *   load ──► contender (sluice | nginx | haproxy | …) ──► origin
 *        └─► (direct) ────────────────────────────────►
 *
 * All contenders stand ready at once and take turns, A B C A B C: whatever the machine does
 * meanwhile, it does to all of them. Ratios are taken within a round and only then summed up.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChildProcesses, type RunningChild, waitUntil } from '../support/child-processes.js';
import { withCleanUp } from '../support/interrupt.js';
import { chooseLoadGenerator, type LoadGenerator, SmokeLoad } from '../support/load-generator.js';
import { ProgressLine } from '../support/report.js';
import {
  type Contender,
  type LaunchPlan,
  launch,
  type RunningContender,
  type Variant,
} from './contender.js';
import { ORIGIN_READY } from './origin.js';
import type { ContenderRounds, ScenarioResult } from './round-figures.js';
import type { RoundContext, RoundFigures, Scenario } from './scenario.js';

export interface GatewayBenchOptions {
  readonly scenarios: readonly Scenario[];
  readonly contenders: readonly Contender[];
  readonly isSmoke: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly connections: number;
  /** Every second round goes the other way round, so that nobody is always the last. */
  readonly isAlternating?: boolean;
}

export interface GatewayBenchResult {
  readonly loadGenerator: string;
  readonly origin: string;
  readonly options: {
    readonly rounds: number;
    readonly seconds: number;
    readonly warmupSeconds: number;
    readonly connections: number;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** Contenders that did not run, with the reason. */
  readonly missing: Readonly<Record<string, string>>;
  /** What went wrong under way; the contender is left out of that scenario. */
  readonly failures: readonly string[];
  readonly scenarios: readonly ScenarioResult[];
}

interface Origin {
  readonly child: RunningChild;
  readonly ports: readonly [number, number];
  readonly http2Port: number;
  readonly grpcPort: number;
  readonly socketPort: number;
  readonly server: string;
}

const ORIGIN_DEADLINE_MS = 10_000;
const DIRECT = 'direct';

/** Starts everything, measures, and ends everything, whatever happens in between. */
export async function runGatewayBench(options: GatewayBenchOptions): Promise<GatewayBenchResult> {
  const children = new ChildProcesses();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const cleanUp = async () => {
    await children.stopAll();
    rmSync(folder, { recursive: true, force: true });
  };
  return withCleanUp(cleanUp, async () => {
    const origin = await startOrigin(children);
    return new GatewayBenchRun(options, children, folder, origin).run();
  });
}

async function startOrigin(children: ChildProcesses): Promise<Origin> {
  const path = fileURLToPath(new URL('./origin.js', import.meta.url));
  const child = children.start('origin', [process.execPath, path]);
  const find = () =>
    new RegExp(`${ORIGIN_READY}(\\d+) (\\d+) (\\d+) (\\d+) (\\d+) (.+)`).exec(child.output);
  await waitUntil('the origin listens', ORIGIN_DEADLINE_MS, async () => find() !== null, child);
  const [, first, second, http2, grpc, sockets, server = ''] = find() ?? [];
  const ports = [Number(first), Number(second)] as const;
  const others = { http2Port: Number(http2), grpcPort: Number(grpc), socketPort: Number(sockets) };
  return { child, ports, ...others, server };
}

function takes(scenario: Scenario, contender: Contender): boolean {
  const isAsked = contender.scenarios?.includes(scenario.name) ?? true;
  return isAsked && scenario.takes(contender);
}

class GatewayBenchRun {
  readonly #options: GatewayBenchOptions;
  readonly #children: ChildProcesses;
  readonly #folder: string;
  readonly #origin: Origin;
  readonly #load: LoadGenerator;
  readonly #progress = new ProgressLine();
  readonly #missing: Record<string, string> = {};
  readonly #failures: string[] = [];
  readonly #running = new Map<string, Promise<RunningContender>>();
  #folders = 0;

  constructor(
    options: GatewayBenchOptions,
    children: ChildProcesses,
    folder: string,
    origin: Origin,
  ) {
    this.#options = options;
    this.#children = children;
    this.#folder = folder;
    this.#origin = origin;
    const load = chooseLoadGenerator(children, folder);
    this.#load = options.isSmoke ? new SmokeLoad(load) : load;
  }

  async run(): Promise<GatewayBenchResult> {
    const standing = await this.#startContenders();
    const scenarios: ScenarioResult[] = [];
    for (const scenario of this.#options.scenarios) {
      scenarios.push(await this.#runScenario(scenario, standing));
    }
    this.#progress.clear();
    const { rounds, seconds, warmupSeconds, connections } = this.#options;
    return {
      loadGenerator: this.#load.name,
      origin: this.#origin.server,
      options: { rounds, seconds, warmupSeconds, connections },
      versions: Object.fromEntries(standing.map((one) => [one.name, one.version()])),
      missing: this.#missing,
      failures: this.#failures,
      scenarios,
    };
  }

  /** One contender that cannot start is named and left out; the others go on. */
  async #startContenders(): Promise<Contender[]> {
    const standing: Contender[] = [];
    const { contenders, scenarios } = this.#options;
    const asked = contenders.filter((one) => scenarios.some((scenario) => takes(scenario, one)));
    for (const contender of asked) {
      const reason = contender.missing();
      if (reason !== '') {
        this.#leaveOut(contender.name, reason);
        continue;
      }
      this.#progress.show(`starting ${contender.name}`);
      try {
        await this.#standing(contender, 'plain');
        standing.push(contender);
      } catch (error) {
        this.#leaveOut(contender.name, 'it did not start');
        this.#fail(contender.name, error);
      }
    }
    if (standing.length === 0) throw new Error('no contender could be started');
    return standing;
  }

  #standing(contender: Contender, variant: Variant): Promise<RunningContender> {
    const key = `${contender.name} ${variant}`;
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#plan(contender, variant).then((plan) =>
        launch(key, plan, this.#children, this.#origin.child),
      );
      this.#running.set(key, running);
    }
    return running;
  }

  #plan(contender: Contender, variant: Variant): Promise<LaunchPlan> {
    this.#folders += 1;
    const folder = join(this.#folder, String(this.#folders));
    mkdirSync(folder);
    const { ports, http2Port, grpcPort, socketPort } = this.#origin;
    const origin = {
      originPorts: ports,
      originHttp2Port: http2Port,
      originGrpcPort: grpcPort,
      originSocketPort: socketPort,
    };
    return contender.plan({ ...origin, folder, variant });
  }

  #leaveOut(name: string, reason: string): void {
    this.#missing[name] = reason;
    this.#progress.clear();
    process.stderr.write(`${name} is left out: ${reason}\n`);
  }

  #fail(where: string, error: unknown): void {
    const failure = `${where}: ${error instanceof Error ? error.message : String(error)}`;
    this.#failures.push(failure);
    this.#progress.clear();
    process.stderr.write(`${failure}\n`);
  }

  async #runScenario(scenario: Scenario, standing: readonly Contender[]): Promise<ScenarioResult> {
    const { isSmoke, warmupSeconds, rounds: asked, isAlternating = false } = this.#options;
    const roundCount = isSmoke ? asked : Math.max(asked, scenario.roundsMin);
    const taken = new Map<Contender, RoundFigures[]>();
    for (const one of standing) {
      if (takes(scenario, one)) taken.set(one, []);
    }
    const first = scenario.hasWarmup && warmupSeconds > 0 ? 0 : 1;
    for (let round = first; round <= roundCount; round += 1) {
      const where = round === 0 ? 'warm-up' : `round ${round} of ${roundCount}`;
      const figures = new Map<Contender, RoundFigures>();
      const turns = [...taken.keys()];
      if (isAlternating && round % 2 === 0) turns.reverse();
      for (const one of turns) {
        this.#progress.show(`${scenario.name}: ${where}, ${one.name}`);
        try {
          figures.set(one, await scenario.run(this.#context(one, round === 0)));
        } catch (error) {
          taken.delete(one);
          this.#fail(`${scenario.name}, ${one.name}`, error);
        }
      }
      if (round > 0) keepRound(scenario, figures, taken);
    }
    const contenders: ContenderRounds[] = [...taken].map(([{ name }, rounds]) => ({
      name,
      rounds,
    }));
    const { name, title, notes, measures } = scenario;
    return { name, title, notes, measures, contenders };
  }

  #context(contender: Contender, isWarmup: boolean): RoundContext {
    const { isSmoke, seconds, warmupSeconds, connections } = this.#options;
    return {
      contender,
      children: this.#children,
      load: this.#load,
      isSmoke,
      isWarmup,
      seconds: isWarmup ? warmupSeconds : seconds,
      connections,
      origin: this.#origin.child,
      running: (variant) => this.#standing(contender, variant),
      planFresh: () => this.#plan(contender, 'plain'),
    };
  }
}

function keepRound(
  scenario: Scenario,
  figures: ReadonlyMap<Contender, RoundFigures>,
  taken: ReadonlyMap<Contender, RoundFigures[]>,
): void {
  const direct = [...figures].find(([contender]) => contender.name === DIRECT)?.[1];
  for (const [contender, rounds] of taken) {
    const own = figures.get(contender);
    if (own !== undefined) rounds.push(scenario.relate?.(own, direct) ?? own);
  }
}
