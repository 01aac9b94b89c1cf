/**
 * The words in which the share of a split is spoken of: its unit, phases, reasons, and what an
 * operator may order.
 *
 * Thread: any (pure). policy/traffic/rollout.ts says how they follow one another.
 */

/** Shares are in ten-thousandths of the requests of a route. */
export const SHARE_ALL = 10_000;

/** Nothing was decided yet. */
export const ROLLOUT_NONE = 0;
export const ROLLOUT_GROWING = 1;
export const ROLLOUT_HELD = 2;
export const ROLLOUT_REACHED = 3;
/** Taken back. */
export const ROLLOUT_BACK = 4;

export type RolloutPhase =
  | typeof ROLLOUT_NONE
  | typeof ROLLOUT_GROWING
  | typeof ROLLOUT_HELD
  | typeof ROLLOUT_REACHED
  | typeof ROLLOUT_BACK;

/** For people, by phase. */
export const ROLLOUT_PHASES = ['none', 'growing', 'held', 'reached', 'takenBack'] as const;

/** Why a split stands as it does. */
export const REASON_NONE = 0;
export const REASON_ERRORS = 1;
export const REASON_LATENCY = 2;
export const REASON_OPERATOR = 3;

export type RolloutReason =
  | typeof REASON_NONE
  | typeof REASON_ERRORS
  | typeof REASON_LATENCY
  | typeof REASON_OPERATOR;

/** For people, by reason. */
export const ROLLOUT_REASONS = ['', 'errors', 'latency', 'operator'] as const;

export const ORDER_HOLD = 1;
export const ORDER_RESUME = 2;
export const ORDER_SET = 3;
export const ORDER_BACK = 4;

export type RolloutOrder =
  | typeof ORDER_HOLD
  | typeof ORDER_RESUME
  | typeof ORDER_SET
  | typeof ORDER_BACK;
