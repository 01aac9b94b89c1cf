/**
 * The phases of a request, in the only order in which they come.
 *
 * Thread: any (pure). The pipeline takes each request through them, and `explain` shows them.
 */

/** Which route takes the request. */
export const PHASE_ROUTE = 0;
/** Filters that need not know who calls: IP filter, preflight, sunset, guards. */
export const PHASE_ENTER = 1;
/** Limits that need not know who calls, on a route that finds that out: they count guesses too. */
export const PHASE_FIRST_LIMIT = 2;
/** Who calls, and whether the route is for them. */
export const PHASE_IDENTIFY = 3;
/** All other limits; and a target, where the answer needs one. */
export const PHASE_LIMIT = 4;
/** Filters that judge or change the head. */
export const PHASE_EDIT = 5;
/** The answerer of the route gets the request, with its body where it reads one. */
export const PHASE_ANSWER = 6;
/** The answer is under way. */
export const PHASE_REPLY = 7;

export type Phase =
  | typeof PHASE_ROUTE
  | typeof PHASE_ENTER
  | typeof PHASE_FIRST_LIMIT
  | typeof PHASE_IDENTIFY
  | typeof PHASE_LIMIT
  | typeof PHASE_EDIT
  | typeof PHASE_ANSWER
  | typeof PHASE_REPLY;

export const PHASES: readonly Phase[] = [
  PHASE_ROUTE,
  PHASE_ENTER,
  PHASE_FIRST_LIMIT,
  PHASE_IDENTIFY,
  PHASE_LIMIT,
  PHASE_EDIT,
  PHASE_ANSWER,
  PHASE_REPLY,
];

/** The phase that follows. Nothing follows the last one: a request ends there. */
export function phaseAfter(phase: Phase): Phase {
  return phase === PHASE_REPLY ? PHASE_REPLY : ((phase + 1) as Phase);
}
