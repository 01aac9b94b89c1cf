/**
 * One request in a worker, from head to finish.
 *
 * Thread: worker. Fixed shape: every field is set in the constructor and none is added later, so
 * that all exchanges share one hidden class.
 */

import { defined } from '../base/assert.js';
import { type FieldBlock, NO_FIELDS } from '../base/field-block.js';
import type { ProblemKind } from '../base/problems.js';
import { WINDOW_BYTES } from '../channel/lane.js';
import type { CompiledUpstream } from '../config/compiled-config.js';
import type { Claims } from '../filters/authentication/authenticator.js';
import type { PathParams } from '../routing/route-table.js';
import { DeadlineEntry } from './deadline-wheel.js';
import type { ReplyCollector } from './reply/reply-filters.js';
import { RequestFields } from './request/request-fields.js';
import type { UploadMonitor } from './request/upload-monitor.js';
import type { RequestTrace } from './request-trace.js';
import type { HeldReply } from './tries/held-reply.js';
import type { StreamedBody } from './upstream/streamed-body.js';
import type { UpstreamTry } from './upstream/upstream-try.js';
import type { WorkerEpoch } from './worker-epoch.js';
import { upstreamOfRoute, type WorkerRoute } from './worker-route.js';

export const PHASE_ROUTE = 0;
export const PHASE_ENTER = 1;
export const PHASE_AUTHENTICATE = 2;
export const PHASE_ADMIT = 3;
export const PHASE_EDIT = 4;
export const PHASE_FORWARD = 5;
export const PHASE_REPLY = 6;

/** A time that does not come. */
export const NEVER_MS = Number.POSITIVE_INFINITY;

const NO_IDENTITY_FIELDS: readonly string[] = [];
const NO_REQUEST_FIELDS = new RequestFields([]);
const NO_PARAMS: PathParams = Object.freeze({});
const NOTHING: readonly string[] = [];

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
  /** -1: not known. Once the body has been collected, its length. */
  bodyBytes: number;
  readonly parts: string[];
  readonly deadline: DeadlineEntry;

  phase = PHASE_ROUTE;
  isFinished = false;
  /** The acceptor has counted and recorded it. */
  isAnsweredElsewhere = false;
  /** The client left before its reply was complete. */
  isAborted = false;
  /** Its reply had begun and could not be completed. */
  isCut = false;
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
  fields: RequestFields = NO_REQUEST_FIELDS;
  /** Who calls, as an authenticator of the route says; '' when nobody asked. */
  consumer = '';
  /** What was verified about the caller; null: nobody asked. */
  claims: Claims | null = null;
  /** Names and values of fields for the target that say who calls, in turn. */
  identityFields: readonly string[] = NO_IDENTITY_FIELDS;
  params: PathParams = NO_PARAMS;
  /** The configuration that it began under. */
  epoch: WorkerEpoch | null = null;
  route: WorkerRoute | null = null;
  /** Path and query that the target gets where a filter has made them; else empty. */
  rewrittenTarget = '';
  /** What filters add to the fields that the target gets: names and values in turn. */
  addedFields: readonly string[] = NOTHING;

  /** Limit fields of the reply; none without a limit. */
  limitFields: FieldBlock = NO_FIELDS;
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
  bodyReceived = 0;
  /** Window given back for the body. */
  bodyCredited = 0;
  /** Set while the route bounds how slow the body may be. */
  uploadMonitor: UploadMonitor | null = null;
  /** Filters have had the whole body, which stays at hand. */
  isBodyFiltered = false;

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
  /** From the begin of the try that answered to the head of its reply; -1: no head came. */
  upstreamMs = -1;
  status = 0;
  problem: ProblemKind | null = null;
  /** null: its spans are not exported. */
  trace: RequestTrace | null = null;
  replyFields: FieldBlock = NO_FIELDS;
  /** Content-Length of the reply; -1: not known. */
  replyBodyBytes = -1;
  isReplyBodiless = false;
  isHeadHeld = false;
  /** Holds the body of a reply that is changed. */
  replyCollector: ReplyCollector | null = null;
  isReplyStarted = false;
  replyBytesSent = 0;
  replyWindow = WINDOW_BYTES;
  isReplyPaused = false;
  activeMs = 0;
  /** When it began to count as in flight at an upstream whose concurrency is adapted. */
  enteredMs = NEVER_MS;
  /** When the head of the reply was there; 0: not yet. */
  headMs = 0;

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
  return upstreamOfRoute(routeOf(exchange));
}

/** The route of an exchange that has one. */
export function routeOf(exchange: Exchange): WorkerRoute {
  return defined(exchange.route, 'the route of an exchange');
}
