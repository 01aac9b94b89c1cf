/**
 * A configuration on trial: some workers use it before all do, and it is compared with the one in
 * force.
 *
 * Thread: supervisor (on the main thread). Reads what the workers count (see
 * channel/coordinator/rollout-memory.ts, one rollout: the old side is what is in force); decides
 * nothing about requests.
 */
import type { Clock, Timer } from '../base/clock.js';
import {
  RolloutView,
  SIDE_NEW,
  SIDE_OLD,
  SideCounts,
} from '../channel/coordinator/rollout-memory.js';
import type { CompiledCanary } from '../config/compiled-canary.js';
import type { TrialFigures, TrialSide } from '../observability/gateway-status.js';
import { judgeSides, p99MsOf, VERDICT_ERRORS, VERDICT_LATENCY } from '../policy/traffic/guard.js';

const LOOK_MS = 1000;

/** How a version is tried before it comes into force. */
export interface Canary {
  readonly rule: CompiledCanary;
  /** Some workers begin with it now. */
  onBegun(): void;
}

/** What was on trial is not taken; the message says why. */
export class TrialFailedError extends Error {
  override readonly name = 'TrialFailedError';

  /** `wasJudged`: by what requests came to; else something else was wanted. */
  constructor(
    message: string,
    readonly wasJudged: boolean,
  ) {
    super(message);
  }
}

export interface ConfigTrialOptions {
  readonly rule: CompiledCanary;
  readonly epoch: number;
  readonly memory: SharedArrayBuffer;
  readonly clock: Clock;
  /** Deaths of the workers that try it. */
  deaths(): number;
}

export class ConfigTrial {
  private readonly view: RolloutView;
  private readonly begin = [new SideCounts(), new SideCounts()] as const;
  private readonly sides = [new SideCounts(), new SideCounts()] as const;
  private readonly deathsBefore: number;
  private readonly endMs: number;
  private readonly looks: Timer;
  private isAborted = false;
  private settle: (reason: string) => void = () => {};
  private readonly settled: Promise<string>;

  /** It begins now. */
  constructor(private readonly options: ConfigTrialOptions) {
    const { memory, clock, rule } = options;
    this.view = new RolloutView(memory, 1);
    this.deathsBefore = options.deaths();
    this.endMs = clock.nowMs() + rule.forMs;
    this.view.readSide(0, SIDE_OLD, this.begin[SIDE_OLD]);
    this.view.readSide(0, SIDE_NEW, this.begin[SIDE_NEW]);
    this.settled = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.looks = clock.every(LOOK_MS, () => this.look());
  }

  /** Resolves when it is to be taken; rejects with {@link TrialFailedError} when it is not. */
  async outcome(): Promise<void> {
    const reason = await this.settled;
    this.looks.cancel();
    if (reason !== '') throw new TrialFailedError(reason, !this.isAborted);
  }

  /** Something else is wanted: it is taken back. */
  abort(reason: string): void {
    this.isAborted = true;
    this.settle(`the trial was ended: ${reason}`);
  }

  figures(): TrialFigures {
    this.read();
    const { epoch, clock } = this.options;
    const of = (side: SideCounts): TrialSide => ({
      requests: side.requests,
      errors: side.errors,
      p99Ms: Math.round(p99MsOf(side) * 10) / 10,
    });
    return {
      epoch,
      endsInMs: Math.max(0, this.endMs - clock.nowMs()),
      inForce: of(this.sides[SIDE_OLD]),
      onTrial: of(this.sides[SIDE_NEW]),
    };
  }

  private look(): void {
    const { rule, clock, deaths } = this.options;
    if (deaths() > this.deathsBefore) {
      this.settle('on trial: a worker died with it');
      return;
    }
    this.read();
    const verdict = judgeSides(rule.guard, this.sides[SIDE_OLD], this.sides[SIDE_NEW]);
    if (verdict === VERDICT_ERRORS || verdict === VERDICT_LATENCY)
      this.settle(this.reason(verdict));
    else if (clock.nowMs() >= this.endMs) this.settle('');
  }

  private read(): void {
    const now = new SideCounts();
    for (const side of [SIDE_OLD, SIDE_NEW] as const) {
      this.view.readSide(0, side, now);
      this.sides[side].between(this.begin[side], now);
    }
  }

  private reason(verdict: typeof VERDICT_ERRORS | typeof VERDICT_LATENCY): string {
    const { inForce, onTrial } = this.figures();
    return verdict === VERDICT_ERRORS
      ? `on trial: ${shareOf(onTrial)} failed or were refused, ` +
          `under the configuration in force ${shareOf(inForce)}`
      : `on trial: 99 % of ${onTrial.requests} requests took up to ${onTrial.p99Ms} ms, ` +
          `under the configuration in force ${inForce.p99Ms} ms`;
  }
}

function shareOf({ errors, requests }: TrialSide): string {
  return `${errors} of ${requests} requests`;
}
