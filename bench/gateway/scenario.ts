/**
 * What a scenario is: figures that it takes, who takes part, and how one round is run.
 *
 * A scenario describes its own figures, so that tables, charts and comparisons need to know
 * none of them.
 */
import type { ChildProcesses, RunningChild } from '../support/child-processes.js';
import type { LoadGenerator } from '../support/load-generator.js';
import type { Contender, LaunchPlan, RunningContender, Variant } from './contender.js';

/** One figure that a scenario takes in each round. */
export interface Measure {
  readonly key: string;
  /** Heading of a column. */
  readonly title: string;
  /** Heading of its ratios, before the reference's name. */
  readonly short: string;
  readonly unit: string;
  /** One sentence for the report. */
  readonly meaning: string;
  readonly better: 'less' | 'more';
  /** Shown as a bar chart and with its spread. */
  readonly isMain: boolean;
  /** Whether dividing it by another's says something: not where it may be nothing at all. */
  readonly hasRatio: boolean;
  /** False where the origin's own figure, which `direct` shows, is no gateway's. */
  readonly isOfDirect: boolean;
}

export interface RoundFigures {
  /** By key of a measure; NaN where it could not be taken. */
  readonly values: Readonly<Record<string, number>>;
  /** CPU microseconds per request by thread, where there are requests. */
  readonly byThreadUs: Readonly<Record<string, number>>;
  /** By kind; empty in a round that counts. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface RoundContext {
  readonly contender: Contender;
  readonly children: ChildProcesses;
  readonly load: LoadGenerator;
  readonly isSmoke: boolean;
  readonly isWarmup: boolean;
  readonly seconds: number;
  readonly connections: number;
  /** The standing process, started when it is first asked for. */
  running(variant: Variant): Promise<RunningContender>;
  /** A plan for one more process, which the scenario starts and ends itself. */
  planFresh(): Promise<LaunchPlan>;
  readonly origin: RunningChild;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** What to know when reading its figures; a sentence each. */
  readonly notes: readonly string[];
  readonly measures: readonly Measure[];
  readonly roundsMin: number;
  readonly hasWarmup: boolean;
  takes(contender: Contender): boolean;
  run(context: RoundContext): Promise<RoundFigures>;
  /** Adds figures that need those of `direct` in the same round. */
  relate?(own: RoundFigures, direct: RoundFigures | undefined): RoundFigures;
}

/** A measure with the usual answers filled in. */
export function measure(
  given: Pick<Measure, 'key' | 'title' | 'unit' | 'meaning'> & Partial<Measure>,
): Measure {
  const isMain = given.isMain ?? false;
  const usual = { short: given.title, better: 'less', hasRatio: isMain, isOfDirect: true } as const;
  return { ...usual, ...given, isMain };
}
