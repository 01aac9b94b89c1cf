/**
 * One way to write a bench: a question, a subject, at least one alternative, two sizes.
 *
 * Cases run in batches under tinybench, so that the clock's own cost disappears; percentiles are
 * over batches. The first batch's checksum is kept: cases that claim to do the same work must
 * agree on it, and the results of all the others are used, so that no work is optimised away.
 */
import { Bench as Tinybench } from 'tinybench';
import { percentile } from './statistics.js';

export type BenchSize = 'smoke' | 'full';

export interface Bench {
  /** The question that the figures answer, in one sentence. */
  readonly question: string;
  run(context: BenchContext): Promise<readonly CaseFigures[]>;
}

export interface BenchCase {
  readonly name: string;
  readonly role: 'subject' | 'alternative';
  /** How many operations one call of `run` does. */
  readonly operations: number;
  /** Does one batch and returns a checksum of its work. */
  run(): number;
}

export interface CaseFigures {
  readonly name: string;
  readonly role: 'subject' | 'alternative';
  readonly operationsPerSecond: number;
  /** Of the time per operation. Micro benches: over batches. Channels: over single operations. */
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly samples: number;
  readonly checksum: number;
}

const TIME_MS = { smoke: 1, full: 600 };
const WARMUP_MS = { smoke: 0, full: 200 };
const ITERATIONS = { smoke: 2, full: 32 };

export class BenchContext {
  readonly size: BenchSize;
  readonly parameters: Record<string, number> = {};

  constructor(size: BenchSize) {
    this.size = size;
  }

  /** A named size of the workload, which the report shows. */
  parameter(name: string, smoke: number, full: number): number {
    const value = this.size === 'smoke' ? smoke : full;
    this.parameters[name] = value;
    return value;
  }

  /** Measures cases that do the same work; throws when their checksums say otherwise. */
  async measure(cases: readonly BenchCase[]): Promise<readonly CaseFigures[]> {
    const figures = await this.measureEach(cases);
    for (const one of figures) {
      if (one.checksum !== figures[0]?.checksum) {
        throw new Error(`${one.name} did other work than ${figures[0]?.name}: checksums differ`);
      }
    }
    return figures;
  }

  /** Measures cases whose results may differ. */
  async measureEach(cases: readonly BenchCase[]): Promise<readonly CaseFigures[]> {
    const checksums = cases.map((one) => one.run());
    let used = 0;
    const bench = new Tinybench({
      time: TIME_MS[this.size],
      iterations: ITERATIONS[this.size],
      warmup: this.size === 'full',
      warmupTime: WARMUP_MS[this.size],
      throws: true,
    });
    for (const one of cases) {
      bench.add(one.name, () => {
        used = (used + one.run()) | 0;
      });
    }
    await bench.run();
    if (!Number.isInteger(used)) throw new Error('a batch returned no integer');
    return cases.map((one, at) => {
      const result = bench.tasks[at]?.result;
      if (result?.state !== 'completed') throw new Error(`${one.name} did not complete`);
      const nsPerOperation = 1e6 / one.operations;
      return {
        name: one.name,
        role: one.role,
        operationsPerSecond: 1e9 / (result.latency.p50 * nsPerOperation),
        p50Ns: result.latency.p50 * nsPerOperation,
        p99Ns: result.latency.p99 * nsPerOperation,
        samples: result.latency.samplesCount,
        checksum: checksums[at] ?? 0,
      };
    });
  }
}

/** Figures of a bench that takes its own times, as those across threads do. */
export function summarise(taken: {
  readonly name: string;
  readonly role: CaseFigures['role'];
  readonly nsPerOperation: readonly number[];
  readonly checksum: number;
}): CaseFigures {
  const { name, role, nsPerOperation, checksum } = taken;
  const p50Ns = percentile(nsPerOperation, 50);
  return {
    name,
    role,
    operationsPerSecond: 1e9 / p50Ns,
    p50Ns,
    p99Ns: percentile(nsPerOperation, 99),
    samples: nsPerOperation.length,
    checksum,
  };
}

/** Folds one value into a 32-bit checksum. */
export function fold(checksum: number, value: number): number {
  return (Math.imul(checksum, 31) + (value | 0)) | 0;
}
