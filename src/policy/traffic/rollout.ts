/**
 * How the share of a split's new side moves: it grows by time, is held, reaches its end, or is
 * taken back.
 *
 *     growing ──time──► reached          hold, set ──► held          resume ──► growing
 *        └────────── the new side is worse ─────────► taken back     resume ──► from the beginning
 *
 * Thread: any (pure). Shares are in ten-thousandths of the route's requests.
 */
import {
  ORDER_HOLD,
  ORDER_RESUME,
  ORDER_SET,
  ROLLOUT_BACK,
  ROLLOUT_GROWING,
  ROLLOUT_HELD,
  ROLLOUT_REACHED,
  type RolloutOrder,
  type RolloutPhase,
} from '../../base/rollout-words.js';

export interface RolloutPace {
  readonly fromShare: number;
  readonly toShare: number;
  /** How long it takes from one to the other; 0: the share does not grow. */
  readonly overMs: number;
}

export interface RolloutState {
  readonly phase: RolloutPhase;
  readonly share: number;
  /** Time that it has grown. */
  readonly grownMs: number;
}

/** As it begins. */
export function firstState(pace: RolloutPace): RolloutState {
  return grown(pace, 0);
}

/** After this much more time. */
export function afterTime(pace: RolloutPace, state: RolloutState, elapsedMs: number): RolloutState {
  if (state.phase !== ROLLOUT_GROWING) return state;
  return grown(pace, state.grownMs + Math.max(0, elapsedMs));
}

/** The new side is worse, or an operator wants it so: nobody is on it but who asks for it. */
export function takenBack(state: RolloutState): RolloutState {
  return { ...state, phase: ROLLOUT_BACK, share: 0 };
}

/** What an operator wants. `share` is for ORDER_SET. */
export function afterOrder(
  pace: RolloutPace,
  state: RolloutState,
  order: RolloutOrder,
  share: number,
): RolloutState {
  switch (order) {
    case ORDER_HOLD:
      return state.phase === ROLLOUT_BACK ? state : { ...state, phase: ROLLOUT_HELD };
    case ORDER_SET:
      return { phase: ROLLOUT_HELD, share, grownMs: timeOfShare(pace, share) };
    case ORDER_RESUME:
      return state.phase === ROLLOUT_BACK ? firstState(pace) : grown(pace, state.grownMs);
    default:
      return takenBack(state);
  }
}

function grown(pace: RolloutPace, grownMs: number): RolloutState {
  const { fromShare, toShare, overMs } = pace;
  if (grownMs >= overMs) return { phase: ROLLOUT_REACHED, share: toShare, grownMs: overMs };
  const share = Math.floor(fromShare + ((toShare - fromShare) * grownMs) / overMs);
  return { phase: ROLLOUT_GROWING, share, grownMs };
}

function timeOfShare({ fromShare, toShare, overMs }: RolloutPace, share: number): number {
  if (overMs === 0 || toShare <= fromShare) return overMs;
  const part = (share - fromShare) / (toShare - fromShare);
  return overMs * Math.min(1, Math.max(0, part));
}
