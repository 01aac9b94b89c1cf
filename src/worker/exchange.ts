/**
 * One request in a worker, from head to finish.
 *
 * Thread: worker. Fixed shape: every field is set in the constructor and none is added later, so
 * that all exchanges share one hidden class.
 */
import { defined } from '../base/assert.js';
import type { ProblemKind } from '../base/gateway-error.js';
import { WINDOW_BYTES } from '../channel/lane.js';
import type { CompiledUpstream } from '../config/compiled-config.js';
import { DeadlineEntry } from './deadline-wheel.js';
import type { HeldReply } from './upstream/held-reply.js';
import { RequestFields } from './upstream/request-fields.js';
import type { StreamedBody } from './upstream/streamed-body.js';
import type { UpstreamTry } from './upstream/upstream-try.js';
import type { WorkerEpoch } from './worker-epoch.js';
import type { WorkerRoute } from './worker-route.js';

export const PHASE_ROUTE = 0;
export const PHASE_AUTHENTICATE = 1;
export const PHASE_ADMIT = 2;
export const PHASE_FORWARD = 3;
export const PHASE_REPLY = 4;

/** A time that does not come. */
export const NEVER_MS = Number.POSITIVE_INFINITY;

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
  /** The configuration that it began under. */
  epoch: WorkerEpoch | null = null;
  route: WorkerRoute | null = null;

  /** Limit fields of the reply, each beginning with CRLF; empty without a limit. */
  limitFields = '';
  /** What a consistent hash goes by. */
  balanceHash = 0;
  /** Position of the target that the client brought a cookie of, or -1. */
  preferredTarget = -1;
  /** Place under limits on requests in flight; 0: none. */
  inFlightTicket = 0;
  /** The ask that waits for its reply; -1: none. */
  askId = -1;
  /** The target of the last admission; once a reply goes to the client, that of the reply. */
  targetIndex = -1;
  ticket = 0;
  /** The last admission has not been handed to a try yet. */
  isAdmitted = false;

  isRequestComplete: boolean;
  /** Body pieces that came before the request could be forwarded, or all of a small body. */
  bodyChunks: Buffer[] = [];
  streamedBody: StreamedBody | null = null;

  /** Tries sent, the first included. */
  tries = 0;
  /** Retries planned; hedges are not among them. */
  retries = 0;
  /** Bit p: the target at position p of the upstream was tried, and failed. */
  triedMask = 0;
  /** The try that answers the client, or else the older one in the air. */
  currentTry: UpstreamTry | null = null;
  hedgeTry: UpstreamTry | null = null;
  held: HeldReply | null = null;
  lastProblem: ProblemKind | null = null;
  hasRetriedStale = false;
  routeDeadlineMs = NEVER_MS;
  askDeadlineMs = NEVER_MS;
  /** End of the back-off. */
  resumeAtMs = NEVER_MS;
  hedgeAtMs = NEVER_MS;
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

/** The earliest time that something is to be done about the tries of an exchange. */
export function nextTryTimeMs(exchange: Exchange): number {
  const { currentTry, hedgeTry } = exchange;
  return Math.min(
    exchange.routeDeadlineMs,
    exchange.askDeadlineMs,
    exchange.resumeAtMs,
    exchange.hedgeAtMs,
    currentTry?.headDeadlineMs ?? NEVER_MS,
    hedgeTry?.headDeadlineMs ?? NEVER_MS,
  );
}

/** A try is in the air, or one is being asked for. */
export function isTryUnderWay(exchange: Exchange): boolean {
  return exchange.currentTry !== null || exchange.askId !== -1;
}

/** The head of a reply goes to the client, even if it has not been written yet. */
export function isReplyHandedOn(exchange: Exchange): boolean {
  return exchange.isReplyStarted || exchange.isHeadHeld;
}

/** The upstream of an exchange whose route is known. */
export function upstreamOf(exchange: Exchange): CompiledUpstream {
  return defined(exchange.route, 'the route of an exchange').upstream;
}
