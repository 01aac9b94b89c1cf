/**
 * The reply of an exchange: what its head says, and how far it has got.
 *
 * Thread: worker. Written by reply/. A head is pending while it waits for the first part of its
 * body: it may still be taken back. Once the reply has begun, the client has a status.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import type { ProblemKind } from '../../base/problems.js';
import { WINDOW_BYTES } from '../../channel/lane.js';
import type { RequestView } from '../../filters/filter.js';

/** The head of a reply as the record takes it. */
export interface ReplyFieldBlock {
  fields: FieldBlock;
  /** Content-Length; -1: none. */
  bodyBytes: number;
}

/** A body that is held back until all of it is here, since filters change it. */
export interface BodyCollector {
  readonly byteCount: number;
  /** Takes a piece, which is copied. False: the body is too long. */
  take(chunk: Buffer): boolean;
  /** The changed body, or null when it is no JSON. */
  finish(request: RequestView): Buffer | null;
}

/** Status in the access record of a client that left before a reply began. */
const STATUS_CLIENT_LEFT = 499;

/** The same of a request whose reply had not begun when the gateway ended. */
const STATUS_SHUTDOWN = 503;

export class ReplyState {
  /** 0: none is known. */
  status = 0;
  /** null: it is no refusal of the gateway's. */
  problem: ProblemKind | null = null;
  /** Of the target, as filters have left them. */
  fields: FieldBlock = NO_FIELDS;
  /** Content-Length; -1: not known. */
  bodyBytes = -1;
  isBodiless = false;
  isHeadPending = false;
  isStarted = false;
  /** null: the body goes on as it comes. */
  collector: BodyCollector | null = null;
  /** Bytes of the body that went onto the lane. */
  bytesSent = 0;
  /** Bytes of the body that the client's side has room for. */
  window = WINDOW_BYTES;
  /** Its target waits until there is room. */
  isPaused = false;
  /** When the head of the target was there; 0: not yet. */
  headMs = 0;
  /** When it moved last, on either side; 0: never. */
  movedMs = 0;
  /** The acceptor has counted and recorded the exchange. */
  isAnsweredElsewhere = false;
  /** The client left before the reply was complete. */
  isAborted = false;
  /** It had begun and could not be completed. */
  isCut = false;

  /** The head goes to the client, even if it has not been written yet. */
  get isHandedOn(): boolean {
    return this.isStarted || this.isHeadPending;
  }

  /** The head of a target is there. */
  onHead(status: number, block: ReplyFieldBlock, isHeadMethod: boolean, nowMs: number): void {
    this.status = status;
    this.fields = block.fields;
    this.isBodiless = status === 204 || status === 304 || isHeadMethod;
    this.bodyBytes = status === 204 ? -1 : block.bodyBytes;
    this.headMs = nowMs;
    this.movedMs = nowMs;
  }

  /** A reply of the gateway's own goes out whole. */
  onLocal(status: number, problem: ProblemKind | null): void {
    this.status = status;
    this.problem = problem;
  }

  collectBy(collector: BodyCollector | null): void {
    this.collector = collector;
  }

  /** Filters have changed the fields. */
  edit(fields: FieldBlock): void {
    this.fields = fields;
  }

  /** Its length is this; -1: not known before its end. */
  resize(bodyBytes: number): void {
    this.bodyBytes = bodyBytes;
  }

  /** The head waits for the first part of its body. */
  holdHead(): void {
    this.isHeadPending = true;
  }

  /** The head that waits goes nowhere: what it belongs to has failed. */
  takeHeadBack(): void {
    this.isHeadPending = false;
  }

  /** The head is written, with that much of the body. */
  begin(bodyBytes: number): void {
    this.isHeadPending = false;
    this.isStarted = true;
    this.bytesSent += bodyBytes;
  }

  onSent(bodyBytes: number): void {
    this.bytesSent += bodyBytes;
  }

  /** A piece of the body is on its way. */
  takeWindow(bytes: number): void {
    this.window -= bytes;
  }

  /** The client has taken so much. */
  giveWindow(bytes: number): void {
    this.window += bytes;
  }

  onMoved(nowMs: number): void {
    this.movedMs = nowMs;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  onAnsweredElsewhere(): void {
    this.isAnsweredElsewhere = true;
  }

  onClientLeft(): void {
    this.isAborted = true;
    if (!this.isStarted) this.status = STATUS_CLIENT_LEFT;
  }

  /** The gateway ends before the exchange does. */
  onShutdown(): void {
    this.isCut = true;
    if (!this.isStarted) this.status = STATUS_SHUTDOWN;
  }

  /** `problem` is why the gateway cut it; null: its target did. */
  onCut(problem: ProblemKind | null): void {
    this.isCut = true;
    if (problem !== null) this.problem = problem;
  }
}
