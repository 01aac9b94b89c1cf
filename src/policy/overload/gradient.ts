/**
 * Adapts a limit on concurrency to the capacity of an upstream: a gradient on its latency.
 *
 * Thread: any (pure). Time and randomness are arguments. Arithmetic and names are those of Envoy's
 * adaptive concurrency filter.
 *
 *     gradient = minRtt · (1 + buffer) / sampleRtt          within 0.5 … 2
 *     limit'   = limit · gradient + √(limit · gradient)     within minConcurrency … maxConcurrency
 *
 * The latency without queues (minRtt) is measured from time to time: the limit goes down to
 * minConcurrency, the earlier requests in flight drain, and then a number of requests is measured.
 * Where that does not get on (requests that are not answered hold the places), the last minRtt
 * holds on; the first measurement gets more places instead.
 */

export interface GradientRule {
  readonly minConcurrency: number;
  readonly maxConcurrency: number;
  /** By how many percent a sample may exceed minRtt without lowering the limit. */
  readonly bufferPercent: number;
  readonly minRttIntervalMs: number;
  readonly minRttRequests: number;
  /** Each wait grows at random by up to this percentage of the interval. */
  readonly jitterPercent: number;
}

/** Waiting for the requests that were in flight before the limit went down. */
export const PHASE_DRAINING = 0;
/** Measuring requests that have the upstream nearly for themselves. */
export const PHASE_MEASURING = 1;
export const PHASE_ADAPTING = 2;
export type GradientPhase = typeof PHASE_DRAINING | typeof PHASE_MEASURING | typeof PHASE_ADAPTING;

export interface GradientState {
  readonly phase: GradientPhase;
  readonly limit: number;
  /** The limit that returns when minRtt has been measured. */
  readonly limitBefore: number;
  /** 0: not measured yet. */
  readonly minRttMs: number;
  /**
   * When minRtt is measured again; outside of PHASE_ADAPTING: when that is given up, 0: that is not
   * known yet.
   */
  readonly nextMeasureMs: number;
  /** Windows in a row that ended with the least limit. */
  readonly windowsAtMin: number;
}

/** The requests since the last step, and since the phase began. */
export interface GradientSample {
  readonly inFlight: number;
  readonly windowCount: number;
  readonly windowRttMs: number;
  readonly phaseCount: number;
  readonly phaseRttMs: number;
}

/** After this number of windows in a row at the least limit, minRtt is out of date. */
const WINDOWS_AT_MIN_MAX = 5;

/** Draining may take that long, and measuring may stand still for that long. */
const STILL_MS_MAX = 5000;

const GRADIENT_MIN = 0.5;
const GRADIENT_MAX = 2;

export function initialGradient(rule: GradientRule): GradientState {
  return {
    phase: PHASE_DRAINING,
    limit: rule.minConcurrency,
    limitBefore: rule.minConcurrency,
    minRttMs: 0,
    nextMeasureMs: 0,
    windowsAtMin: 0,
  };
}

/** One step, at the end of a window. `random` is from 0 (included) to 1 (excluded). */
export function stepGradient(
  rule: GradientRule,
  state: GradientState,
  sample: GradientSample,
  { nowMs, random }: { readonly nowMs: number; readonly random: number },
): GradientState {
  const laterMs = nowMs + rule.minRttIntervalMs * (1 + (random * rule.jitterPercent) / 100);
  const givenUpMs = nowMs + STILL_MS_MAX;
  if (state.phase !== PHASE_ADAPTING) {
    const { inFlight, windowCount, phaseCount } = sample;
    const isMeasuring = state.phase === PHASE_MEASURING;
    if (isMeasuring && phaseCount >= rule.minRttRequests) {
      return adapting(state, sample.phaseRttMs, laterMs);
    }
    const hasRoom = inFlight < state.limit;
    const getsOn = isMeasuring ? hasRoom || windowCount > 0 : inFlight <= state.limit;
    if (getsOn) return { ...state, phase: PHASE_MEASURING, nextMeasureMs: givenUpMs };
    if (state.nextMeasureMs === 0) return { ...state, nextMeasureMs: givenUpMs };
    if (nowMs < state.nextMeasureMs) return state;
    if (state.minRttMs > 0) return adapting(state, state.minRttMs, laterMs);
    // There is no minRtt to go on with: others are measured beside what holds the places.
    const limit = Math.min(rule.maxConcurrency, 2 * state.limit);
    return { ...state, limit, limitBefore: limit, nextMeasureMs: givenUpMs };
  }
  if (nowMs >= state.nextMeasureMs || state.windowsAtMin >= WINDOWS_AT_MIN_MAX) {
    const { limit } = state;
    return {
      ...state,
      phase: PHASE_DRAINING,
      limit: rule.minConcurrency,
      limitBefore: limit,
      nextMeasureMs: givenUpMs,
    };
  }
  if (sample.windowCount === 0) return state;
  const limit = nextLimit(rule, state, sample.windowRttMs);
  const windowsAtMin = limit === rule.minConcurrency ? state.windowsAtMin + 1 : 0;
  return { ...state, limit, windowsAtMin };
}

/** With the limit from before the measurement. */
function adapting(
  { limitBefore }: GradientState,
  minRttMs: number,
  nextMeasureMs: number,
): GradientState {
  const limit = limitBefore;
  return { phase: PHASE_ADAPTING, limit, limitBefore, minRttMs, nextMeasureMs, windowsAtMin: 0 };
}

function nextLimit(rule: GradientRule, { minRttMs, limit }: GradientState, rttMs: number): number {
  const raw = (minRttMs * (1 + rule.bufferPercent / 100)) / rttMs;
  const gradient = Math.min(GRADIENT_MAX, Math.max(GRADIENT_MIN, raw));
  const aim = limit * gradient;
  // The root is the queue that the limit allows: through it a small limit can grow.
  const next = Math.floor(aim + Math.sqrt(aim));
  return Math.min(rule.maxConcurrency, Math.max(rule.minConcurrency, next));
}
