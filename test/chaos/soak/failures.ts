/**
 * What failed in a soak, and what explains it. A failure that nothing explains is wrong: each needs
 * a fault of the worker that may have had it, or a time in which the machine left the gateway
 * without a CPU, of a kind that brings just this failure.
 *
 *     a worker dies     what was under way between the order and its death, and cannot run again:
 *                       502 where there is a body; a cut where the reply is so long that it may have
 *                       begun. The rest is rescued, and may not fail.
 *     no CPU            refusals of a gateway that is behind, at that time only
 */

export interface Failure {
  readonly kind: string;
  /** What has come in place of what should. */
  readonly what: string;
  readonly begunMs: number;
  readonly endedMs: number;
  /** The last reload before it ended. */
  readonly reloadedMs: number;
}

/** Of worker 1; times are of the wall clock. */
export interface InjectedFault {
  readonly name: string;
  readonly orderedMs: number;
  /** Its death was noticed then; infinite: it was not. */
  readonly diedMs: number;
}

/** Times in which somebody waited for a CPU. */
export interface Waits {
  /** The longest wait of one thread in a look, in milliseconds. */
  longest(fromMs: number, untilMs: number): number;
}

/** Visits with a body, which no worker may run twice. */
const WITH_BODIES = ['mirror of a body', 'plugins with a body', 'login', 'upload'];
/** Visits whose reply comes in several pieces. */
const WITH_LONG_REPLIES = ['large', 'cost'];

const LOST = /^502 GW_WORKER_LOST$/;
const CUT = /^0 (reply: |stream ended with )/;
const TRIAL_ENDED = /^reload: .*(died|trial)/i;

/** What a gateway without time for them makes of requests, and of orders. */
const BEHIND = /^503 GW_(OVERLOADED|COORDINATOR_UNAVAILABLE|NOT_READY)$/;
/** A visit was not made, since many were under way. */
export const TOO_MANY = 'too many visits at once';
/** The last: it is measured against the version in force, by other workers. */
const TOO_SLOW = /within \d+ s|on trial: 99 % of/;
const WAIT_MS_MIN = 40;
const SLOW_WAIT_MS_MIN = 500;
/** The cause comes before the refusal. */
const BEFORE_MS = 500;
/** The acceptor hears of a death some time after the main thread has written it down. */
const HEARD_MS = 250;

/** The name of what explains the failure; '': nothing does. */
export function explain(failure: Failure, faults: readonly InjectedFault[], waits: Waits): string {
  const fault = faults.find((one) => hasBrought(one, failure));
  if (fault !== undefined) return `${fault.name} at its time`;
  const { what, begunMs, endedMs } = failure;
  const waitMs = waits.longest(begunMs - BEFORE_MS, endedMs);
  if ((BEHIND.test(what) || what === TOO_MANY) && waitMs >= WAIT_MS_MIN) return 'no CPU';
  if (TOO_SLOW.test(what) && waitMs >= SLOW_WAIT_MS_MIN) return 'no CPU';
  return '';
}

function hasBrought({ orderedMs, diedMs }: InjectedFault, failure: Failure): boolean {
  const { kind, what, begunMs, endedMs } = failure;
  if (endedMs < orderedMs || begunMs > diedMs + HEARD_MS) return false;
  if (LOST.test(what)) return WITH_BODIES.includes(kind);
  if (CUT.test(what)) return WITH_LONG_REPLIES.includes(kind);
  return kind === 'reload' && TRIAL_ENDED.test(what);
}
