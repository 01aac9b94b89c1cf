/**
 * One try as the exchange knows it: the part of worker/upstream/upstream-try.ts that its state and
 * the retry loop need.
 *
 * Thread: worker.
 */
import type { Admission } from './admission-state.js';

export interface TryInFlight extends Admission {
  /** A connection stood, and the request was written to it. */
  readonly isSent: boolean;
  /** Its reply comes in HTTP/2. */
  readonly isHttp2: boolean;
  /** When it was sent. */
  readonly beganMs: number;
  /** When the head of the reply must be there. */
  readonly headDeadlineMs: number;
  /** The coordinator has been told what came of it. */
  readonly isSettled: boolean;
  /** Of the trace that the request is in; empty: none. */
  readonly spanId: string;
  /** Notes the begin of the try, and until when its reply must have begun. */
  begin(nowMs: number, headDeadlineMs: number): void;
  /** The head may come later than was said. */
  extend(headDeadlineMs: number): void;
  /** False: it was settled before. Else the caller tells the coordinator of the outcome. */
  trySettle(): boolean;
  /** What it was admitted with was given back, but for its place at the target. */
  giveUpTicket(): void;
  /** Ends the try; its listener gets no further call. */
  abort(): void;
  /** Forgets the exchange but lets the rest of the reply come in, so that the socket is kept. */
  detach(): void;
  /** Takes the body of the reply up again after a pause. */
  resume(): void;
}
