/**
 * One request in a worker, from head to finish.
 *
 * Thread: worker. Fixed shape: every field is set in the constructor and none is added later, so
 * that all exchanges share one hidden class.
 */
import type { Readable } from 'node:stream';
import type { ProblemKind } from '../base/gateway-error.js';
import { WINDOW_BYTES } from '../channel/lane.js';
import { DeadlineEntry } from './deadline-wheel.js';
import { RequestFields } from './upstream/request-fields.js';
import type { UpstreamTry } from './upstream/upstream-try.js';
import type { WorkerRoute } from './worker-route.js';

export const PHASE_ROUTE = 0;
export const PHASE_AUTHENTICATE = 1;
export const PHASE_ADMIT = 2;
export const PHASE_FORWARD = 3;
export const PHASE_REPLY = 4;

const NO_FIELDS = new RequestFields([]);

/** The parts of a request head, decoded once. */
export interface ExchangeHead {
  readonly index: number;
  readonly generation: number;
  readonly receivedMs: number;
  /** -1: not known. */
  readonly bodyBytes: number;
  readonly isComplete: boolean;
  /** method, target, peer, scheme, then names and values in turn. */
  readonly parts: string[];
}

export class Exchange {
  readonly index: number;
  readonly generation: number;
  readonly receivedMs: number;
  readonly bodyBytes: number;
  readonly parts: string[];
  readonly deadline: DeadlineEntry;

  phase = PHASE_ROUTE;
  isFinished = false;
  /** The acceptor has counted and recorded it. */
  isAnsweredElsewhere = false;
  method = '';
  target = '';
  peer = '';
  scheme = '';
  /** Normalised, without the query. */
  path = '';
  /** With its question mark, or empty. */
  query = '';
  requestId = '';
  clientIp = '';
  fields: RequestFields = NO_FIELDS;
  consumer = '';
  route: WorkerRoute | null = null;

  /** Limit fields of the reply, each beginning with CRLF; empty without a limit. */
  limitFields = '';
  askId = -1;
  askFlags = 0;
  targetIndex = -1;
  ticket = 0;
  isAdmitted = false;

  isRequestComplete: boolean;
  /** Body pieces that came before the request could be forwarded, or all of a small body. */
  bodyChunks: Buffer[] = [];
  bodyStream: Readable | null = null;
  bodyConsumed = 0;

  currentTry: UpstreamTry | null = null;
  hasRetriedStale = false;
  status = 0;
  problem: ProblemKind | null = null;
  replyFields = '';
  /** Content-Length of the reply; -1: not known. */
  replyBodyBytes = -1;
  isReplyBodiless = false;
  isHeadHeld = false;
  isReplyStarted = false;
  replyBytesSent = 0;
  replyWindow = WINDOW_BYTES;
  isReplyPaused = false;
  activeMs = 0;

  constructor(head: ExchangeHead, onDeadline: (exchange: Exchange, nowMs: number) => void) {
    this.index = head.index;
    this.generation = head.generation;
    this.receivedMs = head.receivedMs;
    this.bodyBytes = head.bodyBytes;
    this.isRequestComplete = head.isComplete;
    this.parts = head.parts;
    this.deadline = new DeadlineEntry((nowMs) => onDeadline(this, nowMs));
  }
}
