/**
 * The tries of an exchange: what was made, what is in flight, and what is to come when.
 *
 * Thread: worker. Written by tries/. Invariant: a hedge is in flight only beside another try.
 */
import type { ProblemKind } from '../../base/problems.js';
import { END_NOT_SENT, type TryEnd } from '../../policy/retry/retry-rule.js';
import type { KeptReply } from './kept-reply.js';
import type { TryInFlight } from './try-in-flight.js';

/** Why a request that another upstream could have had did not go there. */
export type NoFallback = '' | 'method' | 'body';

/** The first upstream has no target to give. */
const NO_TARGET_GIVEN: TryEnd = { kind: END_NOT_SENT, status: 0 };

/** A time that does not come. */
export const NEVER_MS = Number.POSITIVE_INFINITY;

export class TriesState {
  /** Tries sent to the present upstream, the first included. */
  sent = 0;
  /** Those sent to upstreams that it went to before. */
  sentBefore = 0;
  /** The upstream in place of the route's own that has the request, or answered it; '': none. */
  fallback = '';
  /** '': nothing kept it from going to another upstream. */
  noFallback: NoFallback = '';
  /** How the present upstream has failed; null: not in a way that another would make good. */
  lastEnd: TryEnd | null = null;
  /** Retries planned; hedges are not among them. */
  retries = 0;
  /** Bit p: the target at position p of the upstream was tried, and failed. */
  triedMask = 0;
  /** The try that answers the client, or else the older one in flight. */
  current: TryInFlight | null = null;
  hedge: TryInFlight | null = null;
  /** Kept until it is decided whether another try is made. */
  keptReply: KeptReply | null = null;
  /** How the last try that failed has failed. */
  lastProblem: ProblemKind | null = null;
  /** What the operator is told of that besides; empty: nothing. */
  lastCause = '';
  /** How long the client is to wait before it comes again; -1: the coordinator did not say. */
  refusedMs = -1;
  /** A request was sent again since its kept-alive connection had been closed. */
  hasResent = false;
  /** Row of the target whose reply goes to the client; -1: none does. */
  answeringTarget = -1;
  /** The status of that reply, as the target gave it. */
  answerStatus = 0;
  /** From the begin of the try that answered to the head of its reply; -1: no head came. */
  upstreamMs = -1;
  /** Nothing more is done for the exchange. */
  isReleased = false;
  routeDeadlineMs = NEVER_MS;
  askDeadlineMs = NEVER_MS;
  /** End of the back-off. */
  resumeAtMs = NEVER_MS;
  hedgeAtMs = NEVER_MS;

  /** A try is in flight, or one is waited for. */
  get isUnderWay(): boolean {
    return this.current !== null || this.askDeadlineMs !== NEVER_MS;
  }

  /** The earliest time that something is to be done about the tries. */
  get nextTimeMs(): number {
    return Math.min(
      this.routeDeadlineMs,
      this.askDeadlineMs,
      this.resumeAtMs,
      this.hedgeAtMs,
      this.current?.headDeadlineMs ?? NEVER_MS,
      this.hedge?.headDeadlineMs ?? NEVER_MS,
    );
  }

  endBy(routeDeadlineMs: number): void {
    this.routeDeadlineMs = routeDeadlineMs;
  }

  /** The coordinator was asked for another target. */
  awaitVerdict(untilMs: number): void {
    this.askDeadlineMs = untilMs;
  }

  /** The verdict is there, or nobody waits for one any more. */
  endWait(): void {
    this.askDeadlineMs = NEVER_MS;
  }

  planRetry(atMs: number): void {
    this.retries++;
    this.resumeAtMs = atMs;
  }

  planHedge(atMs: number): void {
    this.hedgeAtMs = atMs;
  }

  /** The back-off is over. */
  endBackOff(): void {
    this.resumeAtMs = NEVER_MS;
  }

  /** The time of the hedge has come: it is made now or never. */
  endHedgePlan(): void {
    this.hedgeAtMs = NEVER_MS;
  }

  /** A try is about to be sent: beside the one in flight if there is one. */
  onSent(attempt: TryInFlight): void {
    this.sent++;
    this.answeringTarget = -1;
    if (this.current === null) this.current = attempt;
    else this.hedge = attempt;
  }

  /** The same request goes out again over a connection that nobody can have closed. */
  onResent(stale: TryInFlight, fresh: TryInFlight): void {
    this.hasResent = true;
    if (this.hedge === stale) this.hedge = fresh;
    else this.current = fresh;
  }

  onHead(upstreamMs: number): void {
    this.upstreamMs = upstreamMs;
  }

  /** The try has ended; the other one that is in flight stays as the only one. */
  onEnded(attempt: TryInFlight, triedBit: number): void {
    if (this.current === attempt) this.current = this.hedge;
    this.hedge = null;
    this.triedMask |= triedBit;
  }

  onFailed(problem: ProblemKind, cause: string, end: TryEnd | null = null): void {
    this.lastProblem = problem;
    this.lastCause = cause;
    this.lastEnd = end;
  }

  /** No target was given, and for so long none will be. */
  onRefused(problem: ProblemKind, refusedMs: number): void {
    this.onFailed(problem, '', NO_TARGET_GIVEN);
    this.refusedMs = refusedMs;
  }

  /** This try answers the client; the caller has ended the other one. */
  onAnswered(attempt: TryInFlight, status: number): void {
    this.current = attempt;
    this.hedge = null;
    this.answerStatus = status;
    this.answeringTarget = attempt.targetIndex;
  }

  keep(reply: KeptReply | null): void {
    this.keptReply = reply;
  }

  /** The reply that is kept says so: `end`. */
  onKept(reply: KeptReply, end: TryEnd): void {
    this.keptReply = reply;
    this.lastEnd = end;
  }

  /** The reply that was kept goes to the client, whichever upstream it is of. */
  onKeptGiven({ attempt, status, fallback }: KeptReply): void {
    this.keptReply = null;
    this.fallback = fallback;
    this.onAnswered(attempt, status);
  }

  /** The present upstream gets nothing more of the request, which may go to another one. */
  onLeft(): void {
    this.sentBefore += this.sent;
    this.sent = 0;
    this.retries = 0;
    this.triedMask = 0;
    this.hasResent = false;
    this.lastEnd = null;
    this.resumeAtMs = NEVER_MS;
    this.hedgeAtMs = NEVER_MS;
  }

  /** This upstream has the request now. */
  onFallback(name: string): void {
    this.fallback = name;
    this.refusedMs = -1;
  }

  onNoFallback(why: NoFallback): void {
    this.noFallback = why;
  }

  /** False: that was so before. */
  tryRelease(): boolean {
    if (this.isReleased) return false;
    this.isReleased = true;
    return true;
  }

  /** No try is in flight any more. */
  clear(): void {
    this.current = null;
    this.hedge = null;
  }
}
