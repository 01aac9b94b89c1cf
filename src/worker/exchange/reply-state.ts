/**
 * The reply of an exchange: what its head says, and how far it has got.
 *
 * Thread: worker. Written by reply/. A head is pending while it waits for the first part of its
 * body: it may still be taken back, and so may a reply that is in a stage. Once the reply has
 * begun, the client has a status.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import type { ProblemKind } from '../../base/problems.js';
import { BODY_BLOCK_BYTES } from '../../channel/body-blocks.js';
import { WINDOW_BYTES } from '../../channel/lane.js';
import type { LocalReply } from '../../filters/local-reply.js';
import type { ReplyFieldBlock } from '../../wire/http1/reply-fields.js';

/** What is kept of a reply of the gateway's own. */
export type LocalHead = Pick<LocalReply, 'status' | 'problem' | 'cause'>;

/** The chain of stages that a reply is in: see worker/reply/staged-reply.ts. */
export interface StagedFlow {
  /** The target waits until a stage lets it go on. */
  readonly isTargetPaused: boolean;
  data(bytes: Buffer, isLast: boolean): boolean;
  trailers(fields: FieldBlock): void;
  end(): void;
  /** The body is complete because the gateway says so, whatever its target still sends. */
  endEarly(): void;
  abort(): void;
  /** The lane takes data again. */
  resume(): void;
  /** Nobody wants the reply any more. */
  cancel(): void;
  /** All of it is on the lane. */
  close(): void;
}

/** What is known of a reply that is an event stream: see worker/reply/event-stream.ts. */
export interface EventFlow {
  /** When the target has sent something last. */
  readonly movedMs: number;
  readonly rule: { readonly idleMs: number };
  /** The next bytes of the target: what is to be sent of them now. */
  take(bytes: Buffer, nowMs: number): Buffer;
  /** No more bytes come: what is still to be sent of those that have come. */
  rest(): Buffer;
  /** The reply is over, or goes nowhere. */
  close(): void;
}

/** Status in the access record of a client that left before a reply began. */
export const STATUS_CLIENT_LEFT = 499;

/** The same of a request whose reply had not begun when the gateway ended. */
const STATUS_SHUTDOWN = 503;

export class ReplyState {
  /** 0: none is known. */
  status = 0;
  /** null: it is no refusal of the gateway's. */
  problem: ProblemKind | null = null;
  /** What the operator is told of a refusal besides, and the client is not; '': nothing. */
  cause = '';
  /** Of the target, as filters have left them. */
  fields: FieldBlock = NO_FIELDS;
  /** Content-Length; -1: not known. */
  bodyBytes = -1;
  /** When the target made it, as it wrote Date; '': it wrote none. */
  date = '';
  /** The coding that the gateway has given to the body; '': it is as its target sent it. */
  coding = '';
  /** Reason phrase of a status that has none of its own; '': none. */
  phrase = '';
  isBodiless = false;
  /** The head opens a tunnel, and what follows it goes through that. */
  isTunnel = false;
  /** The gateway itself makes the reply. */
  isLocal = false;
  isHeadPending = false;
  /** Its client has gone, and it goes on coming for others. */
  isForOthers = false;
  isStarted = false;
  /** null: the reply goes onto the lane as it comes. */
  staged: StagedFlow | null = null;
  /** null: the reply is no event stream. */
  events: EventFlow | null = null;
  /** What has not gone out yet of a body that lies in memory; null: it comes from a target. */
  rest: Buffer | null = null;
  /** A stage has failed: whatever the client gets in place of the reply passes none. */
  isUnstaged = false;
  /** Bytes of the body that went onto the lane. */
  bytesSent = 0;
  /** Bytes of the body that the client's side has room for. */
  window: number;
  /** With less window than this the target waits: one more piece may be as long. */
  readonly windowMin: number;
  /** The lane wants no more of it until there is room. */
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

  constructor(window = WINDOW_BYTES) {
    this.window = window;
    this.windowMin = Math.min(BODY_BLOCK_BYTES, window / 2);
  }

  /** How much of a target's body is read at once. */
  get readBytesMax(): number {
    return this.windowMin === BODY_BLOCK_BYTES
      ? BODY_BLOCK_BYTES
      : Math.max(this.window, this.windowMin);
  }

  /** The head goes to the client, even if it has not been written yet. */
  get isHandedOn(): boolean {
    return this.isStarted || this.isHeadPending || this.isForOthers || this.staged !== null;
  }

  /** The target has more, and is kept waiting. */
  get isTargetPaused(): boolean {
    return this.staged === null ? this.isPaused : this.staged.isTargetPaused;
  }

  /** The head of a target is there. */
  onHead(status: number, block: ReplyFieldBlock, isHeadMethod: boolean, nowMs: number): void {
    this.status = status;
    this.fields = block.fields;
    this.date = block.date;
    this.phrase = block.phrase ?? '';
    this.isBodiless = status === 204 || status === 304 || isHeadMethod;
    this.bodyBytes = status === 204 ? -1 : block.bodyBytes;
    this.headMs = nowMs;
    this.movedMs = nowMs;
  }

  /** The head that has come opens a tunnel. */
  openTunnel(tunnel: StagedFlow): void {
    this.isTunnel = true;
    this.bodyBytes = -1;
    this.staged = tunnel;
  }

  /** A reply of the gateway's own is to go out. */
  onLocal({ status, problem, cause }: LocalHead, isBodiless: boolean): void {
    this.status = status;
    this.phrase = '';
    this.problem = problem;
    this.cause = cause;
    this.isBodiless = isBodiless;
    this.isLocal = true;
  }

  /** The reply goes through stages; null: through none any more. */
  enter(staged: StagedFlow | null): void {
    this.staged = staged;
  }

  /** The reply is an event stream; null: it is none any more. */
  stream(events: EventFlow | null): void {
    this.events = events;
  }

  /** The gateway ends the reply as a whole one, for this reason. */
  onEndedByGateway(cause: string): void {
    this.cause = cause;
  }

  giveUpStages(): void {
    this.isUnstaged = true;
  }

  /** The head says this in the end. `bodyBytes` -1: the length is not known before the end. */
  edit(fields: FieldBlock, bodyBytes: number): void {
    this.fields = fields;
    this.bodyBytes = bodyBytes;
  }

  /** A stage compresses the body. */
  onCoded(coding: string): void {
    this.coding = coding;
  }

  /** A stage has found another status for it. */
  restate(status: number): void {
    this.status = status;
  }

  /** The head waits for the first part of its body. */
  holdHead(): void {
    this.isHeadPending = true;
  }

  /** The head that waits goes nowhere: what it belongs to has failed. */
  takeHeadBack(): void {
    this.isHeadPending = false;
    this.isForOthers = false;
  }

  /** Its client has gone: what comes is for others. */
  goOnForOthers(): void {
    this.isHeadPending = false;
    this.isForOthers = true;
    this.isPaused = false;
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

  /** The rest of the body lies in memory; null: its target has it. */
  keepRest(rest: Buffer | null): void {
    this.rest = rest;
  }

  /** The client has taken these bytes. */
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
