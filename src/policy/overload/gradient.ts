/**
 * Adapts a limit on concurrency to what an upstream can take: a gradient on its latency.
 *
 * Thread: any (pure). Time and chance are arguments. The arithmetic is that of Envoy's adaptive
 * concurrency filter and goes by its names.
 *
 *     gradient = minRtt · (1 + buffer) / sampleRtt          within 0.5 … 2
 *     limit'   = limit · gradient + √(limit · gradient)     within minConcurrency … maxConcurrency
 *
 * The latency without queues (minRtt) is measured now and then: the limit goes down to
 * minConcurrency, what was in flight before drains, and then so many requests are looked at.
 */

export interface GradientRule {
  readonly minConcurrency: number;
  readonly maxConcurrency: number;
  /** Percent that a sample may exceed minRtt by. */
  readonly bufferPercent: number;
  readonly minRttIntervalMs: number;
  readonly minRttRequests: number;
  /** Part of the interval by which each wait is made longer at random. */
  readonly jitterPercent: number;
}

/** Waiting for what was in flight before the limit went down. */
export const PHASE_DRAINING = 0;
/** Looking at requests that have the upstream nearly for themselves. */
export const PHASE_MEASURING = 1;
export const PHASE_ADAPTING = 2;
export type GradientPhase = typeof PHASE_DRAINING | typeof PHASE_MEASURING | typeof PHASE_ADAPTING;

export interface GradientState {
  readonly phase: GradientPhase;
  readonly limit: number;
  /** To go on with when minRtt was measured. */
  readonly limitBefore: number;
  /** 0: not measured yet. */
  readonly minRttMs: number;
  readonly nextMeasureMs: number;
  /** Windows in a row that ended with the least limit. */
  readonly windowsAtMin: number;
}

/** What was seen since the last step, and since the phase began. */
export interface GradientSample {
  readonly inFlight: number;
  readonly windowCount: number;
  readonly windowRttMs: number;
  readonly phaseCount: number;
  readonly phaseRttMs: number;
}

/** As many windows at the least limit mean that minRtt is out of date. */
const WINDOWS_AT_MIN_MAX = 5;

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

/** One step, at the end of a window. `random` is from 0 up to and without 1. */
export function stepGradient(
  rule: GradientRule,
  state: GradientState,
  sample: GradientSample,
  { nowMs, random }: { readonly nowMs: number; readonly random: number },
): GradientState {
  if (state.phase === PHASE_DRAINING) {
    const isDrained = sample.inFlight <= rule.minConcurrency;
    return isDrained ? { ...state, phase: PHASE_MEASURING } : state;
  }
  if (state.phase === PHASE_MEASURING) {
    if (sample.phaseCount < rule.minRttRequests) return state;
    const jitter = 1 + (random * rule.jitterPercent) / 100;
    return {
      phase: PHASE_ADAPTING,
      limit: state.limitBefore,
      limitBefore: state.limitBefore,
      minRttMs: sample.phaseRttMs,
      nextMeasureMs: nowMs + rule.minRttIntervalMs * jitter,
      windowsAtMin: 0,
    };
  }
  if (nowMs >= state.nextMeasureMs || state.windowsAtMin >= WINDOWS_AT_MIN_MAX) {
    const { limit } = state;
    return { ...state, phase: PHASE_DRAINING, limit: rule.minConcurrency, limitBefore: limit };
  }
  if (sample.windowCount === 0) return state;
  const limit = nextLimit(rule, state, sample.windowRttMs);
  const windowsAtMin = limit === rule.minConcurrency ? state.windowsAtMin + 1 : 0;
  return { ...state, limit, windowsAtMin };
}

function nextLimit(rule: GradientRule, { minRttMs, limit }: GradientState, rttMs: number): number {
  const raw = (minRttMs * (1 + rule.bufferPercent / 100)) / rttMs;
  const gradient = Math.min(GRADIENT_MAX, Math.max(GRADIENT_MIN, raw));
  const aim = limit * gradient;
  // The root lets a small limit grow: it is the queue that is allowed for looking ahead.
  const next = Math.floor(aim + Math.sqrt(aim));
  return Math.min(rule.maxConcurrency, Math.max(rule.minConcurrency, next));
}
