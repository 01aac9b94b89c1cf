/**
 * One stream of a client's HTTP/2 connection: a request, and its reply.
 *
 * Thread: acceptor. Owns what of the reply waits for a window or for the socket, and what of the
 * body came while nobody wanted it. Both are bounded: by the window of the exchange, and by the
 * window of the stream, of which nothing is given back until it is used.
 *
 * Invariants: what waits is sent in order, and nothing overtakes it. A reply that is complete
 * while its upload runs ends the stream (RFC 9113 8.1), and never the connection.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { JoinedPieces } from '../../base/joined-pieces.js';
import { PROBLEMS } from '../../base/problems.js';
import { WINDOW_CREDIT_BYTES } from '../../channel/lane.js';
import { CONTINUE } from '../../channel/records/field-records.js';
import { FLAG_BODILESS, FLAG_END, FLAG_TUNNEL } from '../../channel/records/record-kind.js';
import { CANCEL, INTERNAL_ERROR, NO_ERROR } from '../../wire/http2/frame-kinds.js';
import type { FieldLines } from '../../wire/http2/known-lines.js';
import type { Http2RequestHead } from '../../wire/http2/request-fields.js';
import type { ServerConnection } from '../../wire/http2/server-connection.js';
import type { ServerStream } from '../../wire/http2/server-stream.js';
import type { ClientListener, ClientSocket, ReplyHead } from '../client-engine.js';
import { UploadOverflow } from '../upload-overflow.js';
import { STALLED_MS } from './client-watch.js';
import { NEVER } from './connection-state.js';
import { replyLines } from './http2-reply-fields.js';
import type { ReplyWindows } from './reply-windows.js';
import { HTTP2_CAPABILITIES, type WireContext } from './wire-context.js';

/**
 * A client that still uploads behind its reply is stopped after this time. At once would be too
 * early for some: curl 7 forgets a reply that was reset before it has read it.
 */
const UPLOAD_END_MS = 500;

/** What one stream sends before another one has its turn. */
const SLICE_BYTES = 64 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** The connection that a stream belongs to. */
export interface StreamOwner {
  readonly codec: ServerConnection;
  readonly context: WireContext;
  readonly windows: ReplyWindows;
  /** The socket takes what is written. */
  readonly canWrite: boolean;
  /** Time between two pieces of a body. */
  readonly bodyIdleMs: number;
  /** Calls pump() when the socket takes bytes again. */
  awaitSocket(stream: Http2StreamSocket): void;
  /** Something is to be written, or the stream has ended. */
  onChange(): void;
}

/** A head that waits for the socket. */
interface HeldHead {
  readonly status: number;
  readonly lines: FieldLines;
  readonly ends: boolean;
}

export class Http2StreamSocket implements ClientSocket {
  readonly capabilities = HTTP2_CAPABILITIES;

  private listener: ClientListener | null = null;
  private expectsContinue: boolean;
  private readonly wantsTunnel: boolean;
  private isTunnel = false;
  /** Nothing more comes of the body, or up the tunnel. */
  private hasEnded: boolean;
  /** When the next piece of the body must have come. */
  private deadlineMs = NEVER;
  private isPaused = false;
  /** Bytes of the body that came in a pause. */
  private unused = 0;
  /** What came for a tunnel that is not open yet. */
  private early: UploadOverflow | null = null;

  private hasHead = false;
  private head: HeldHead | null = null;
  private readonly unsent: Buffer[] = [];
  private readonly joined = new JoinedPieces();
  private isEndDue = false;
  private isReplyDone = false;
  /** Nothing more is wanted of what comes up the tunnel. */
  private isUpDropped = false;
  private trailers: FieldBlock = NO_FIELDS;
  /** Bytes of the body that its head has announced and that have not come; -1: unknown. */
  private left = -1;
  private uncredited = 0;
  /** What the worker may send ahead of the client, out of what the connection may keep; 0: over. */
  window: number;
  private keptBytes = 0;

  constructor(
    private readonly owner: StreamOwner,
    private readonly stream: ServerStream,
    { expectsContinue, wantsTunnel, bodyBytes }: Http2RequestHead,
  ) {
    this.window = owner.windows.open();
    this.expectsContinue = expectsContinue;
    this.wantsTunnel = wantsTunnel;
    // A length of 0 says so as well: the end of the stream may still be to come.
    this.hasEnded = bodyBytes === 0 && !wantsTunnel;
    // Who waits for 100 is not late with its body.
    if (!expectsContinue) this.awaitBody();
  }

  attach(listener: ClientListener): void {
    this.listener = listener;
  }

  // What the client sends.

  // Hot path (bench/gateway/stream-up): each piece goes on as it came.
  onData(bytes: Buffer, isLast: boolean): void {
    this.expectsContinue = false;
    // Nothing is given back of the window: little of an upload that nobody wants can come.
    if (this.isUpDropped || (this.isReplyDone && !this.isTunnel)) return;
    if (this.wantsTunnel && !this.isTunnel) {
      this.early ??= new UploadOverflow();
      this.early.add(bytes, false);
      return;
    }
    if (isLast && !this.isTunnel) this.endBody();
    else this.awaitBody();
    this.listener?.onData(bytes, this.hasEnded);
    this.use(bytes.length);
  }

  private endBody(): void {
    this.hasEnded = true;
    this.deadlineMs = NEVER;
  }

  private use(bytes: number): void {
    if (this.isPaused) this.unused += bytes;
    else this.owner.codec.credit(this.stream, bytes);
  }

  onEnd(trailers: FieldBlock): void {
    if (this.hasEnded || (this.wantsTunnel && !this.isTunnel)) return;
    this.endBody();
    const { listener } = this;
    if (this.isTunnel && this.stream.isLocalClosed) this.listener = null;
    if (trailers === NO_FIELDS || this.isTunnel) listener?.onData(NO_BYTES, true);
    else listener?.onTrailers(trailers);
  }

  /** The stream is over, by the client or because of it. */
  onGone(): void {
    const { listener } = this;
    this.forget();
    listener?.onAborted();
  }

  private forget(): void {
    this.listener = null;
    this.head = null;
    this.unsent.length = 0;
    this.early?.drop();
    this.early = null;
    this.isEndDue = false;
    this.deadlineMs = NEVER;
    this.closeWindow();
  }

  private closeWindow(): void {
    const { windows } = this.owner;
    windows.close(this.window);
    windows.keptBytes -= this.keptBytes;
    this.window = 0;
    this.keptBytes = 0;
  }

  private countKept(bytes: number): void {
    this.keptBytes += bytes;
    this.owner.windows.keptBytes += bytes;
  }

  private awaitBody(): void {
    const isAwaited = !this.isPaused && !this.wantsTunnel && !this.hasEnded;
    const { context, bodyIdleMs } = this.owner;
    this.deadlineMs = isAwaited ? context.deadlineIn(bodyIdleMs) : NEVER;
  }

  // What time brings.

  onTick(nowMs: number): void {
    if (nowMs >= this.deadlineMs) this.onDeadline();
    this.giveUpIfBlocked(nowMs, STALLED_MS);
  }

  /** Ends the stream if its client has opened no window for as long. */
  giveUpIfBlocked(nowMs: number, blockedMs: number): void {
    const { blockedSinceMs } = this.stream;
    if (blockedSinceMs === -1 || nowMs - blockedSinceMs < blockedMs) return;
    this.reset(CANCEL);
    this.onGone();
  }

  private onDeadline(): void {
    this.deadlineMs = NEVER;
    if (this.isReplyDone) {
      this.reset(NO_ERROR);
      return;
    }
    if (this.listener === null || this.listener.isConversation) return;
    this.listener.onRefused(PROBLEMS.requestTimeout, 'a body of which nothing came for too long');
  }

  // What the acceptor wants of the request.

  pause(): void {
    this.isPaused = true;
    this.deadlineMs = NEVER;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    const { unused } = this;
    this.unused = 0;
    this.owner.codec.credit(this.stream, unused);
    this.awaitBody();
    this.owner.onChange();
  }

  /** The timers of a stream are its own. */
  refresh(): void {}

  abort(): void {
    if (this.stream.isOver) return;
    if (this.isTunnel && (this.isEndDue || this.isReplyDone)) {
      this.dropUp();
      return;
    }
    this.forget();
    this.reset(this.isTunnel ? CANCEL : INTERNAL_ERROR);
  }

  /** What went down a tunnel is to arrive; then the client hears that nothing more is read. */
  private dropUp(): void {
    this.listener = null;
    this.isUpDropped = true;
    if (this.isReplyDone) this.deadlineMs = this.owner.context.deadlineIn(UPLOAD_END_MS);
  }

  private reset(code: number): void {
    this.owner.codec.reset(this.stream, code);
    this.owner.onChange();
  }

  // What the acceptor sends.

  sendInterim(status: number, fields: FieldBlock): void {
    if (this.stream.isOver || this.hasHead) return;
    const { codec, canWrite } = this.owner;
    if (status === CONTINUE) {
      if (!this.expectsContinue) return;
      this.expectsContinue = false;
      this.awaitBody();
    } else if (!canWrite) {
      // Nobody waits for another one, and no windows bound them.
      return;
    }
    codec.sendInterim(this.stream, status, fields);
    this.owner.onChange();
  }

  // Hot path (bench/gateway/plain-get): once for every reply.
  sendHead(head: ReplyHead): void {
    if (this.stream.isOver) return;
    const { flags, inlineBody } = head;
    const isEnd = (flags & FLAG_END) !== 0;
    const isBodiless = (flags & (FLAG_BODILESS | FLAG_TUNNEL)) !== 0;
    const bodyBytes = isEnd && !isBodiless ? inlineBody.length : head.bodyBytes;
    const hasBody = inlineBody.length > 0 && !isBodiless;
    this.isTunnel = (flags & FLAG_TUNNEL) !== 0;
    this.hasHead = true;
    if (!isBodiless) this.left = bodyBytes;
    const unixMs = this.owner.context.clock.unixMs();
    const lines = replyLines(head, this.isTunnel ? -1 : bodyBytes, unixMs);
    // RFC 8441 4: what is 101 in HTTP/1.1.
    const status = this.isTunnel ? 200 : head.status;
    this.sendLines(status, lines, isEnd && !hasBody);
    if (hasBody) this.sendBody(inlineBody, isEnd);
    if (this.isTunnel) this.beginTunnel();
  }

  private sendLines(status: number, lines: FieldLines, ends: boolean): void {
    const { owner } = this;
    if (!owner.canWrite) {
      const bytes = Buffer.from(lines.bytes.subarray(0, lines.length));
      this.head = { status, lines: { ...lines, bytes }, ends };
      owner.awaitSocket(this);
      return;
    }
    owner.codec.sendHead(this.stream, status, lines, ends);
    owner.onChange();
    if (ends) this.onReplyEnd();
  }

  // Hot path (bench/gateway/stream-down): each piece is copied once, into the frames.
  sendBody(chunk: Uint8Array, isLast: boolean): void {
    const { stream, owner } = this;
    if (stream.isOver || this.isShort(chunk.length, isLast)) return;
    if (this.isWaiting) {
      this.keep(chunk, isLast);
      return;
    }
    if (!owner.canWrite) {
      this.keep(chunk, isLast);
      owner.awaitSocket(this);
      return;
    }
    if (chunk.length === 0 && !isLast) return;
    const taken = owner.codec.sendData(stream, chunk, isLast);
    owner.onChange();
    if (taken < chunk.length) this.keep(chunk.subarray(taken), isLast);
    this.onTaken(taken);
    if (isLast && taken === chunk.length) this.onReplyEnd();
  }

  /** A body that ends before the length in its head: the client must see that. */
  private isShort(bytes: number, isLast: boolean): boolean {
    if (this.left === -1) return false;
    this.left -= bytes;
    if (this.left === 0 || (this.left > 0 && !isLast)) return false;
    this.owner.context.onError(new Error('a reply has another length than its head has announced'));
    this.reset(INTERNAL_ERROR);
    this.onGone();
    return true;
  }

  private get isWaiting(): boolean {
    return this.head !== null || this.unsent.length > 0;
  }

  private keep(rest: Uint8Array, isLast: boolean): void {
    if (rest.length > 0) {
      this.joined.add(this.unsent, rest);
      this.countKept(rest.length);
    }
    this.isEndDue = isLast;
  }

  sendEnd(): void {
    this.sendTrailers(NO_FIELDS);
  }

  sendTrailers(fields: FieldBlock): void {
    const { stream, owner } = this;
    if (stream.isOver || this.isShort(0, true)) return;
    this.isEndDue = true;
    this.trailers = fields;
    if (this.isWaiting) return;
    if (owner.canWrite) this.pump();
    else owner.awaitSocket(this);
  }

  /**
   * Sends some of what waits. False: there is more, and only the socket can keep it back; what
   * waits for a window comes with the window.
   */
  pump(): boolean {
    const { owner, stream } = this;
    if (stream.isOver) return true;
    if (this.head !== null) {
      const { status, lines, ends } = this.head;
      this.head = null;
      this.sendLines(status, lines, ends);
      return ends;
    }
    const [first] = this.unsent;
    if (first !== undefined) return this.pumpPiece(first);
    if (this.isEndDue) {
      owner.codec.sendEnd(stream, this.trailers);
      owner.onChange();
      this.onReplyEnd();
    }
    return true;
  }

  private pumpPiece(piece: Buffer): boolean {
    const { owner, unsent, stream } = this;
    const slice = piece.subarray(0, SLICE_BYTES);
    const hasMore = unsent.length > 1 || slice.length < piece.length;
    const isLast = this.isEndDue && !hasMore && this.trailers === NO_FIELDS;
    const taken = owner.codec.sendData(stream, slice, isLast);
    if (taken === piece.length) unsent.shift();
    else unsent[0] = piece.subarray(taken);
    owner.onChange();
    this.countKept(-taken);
    this.onTaken(taken);
    if (taken < slice.length) return true;
    if (isLast) this.onReplyEnd();
    return isLast || !(hasMore || this.isEndDue);
  }

  private onTaken(bytes: number): void {
    this.uncredited += bytes;
    if (this.uncredited < Math.min(WINDOW_CREDIT_BYTES, this.window / 4)) return;
    const more = this.isWaiting ? 0 : this.owner.windows.grow(this.window);
    const credit = this.uncredited + more;
    this.window += more;
    this.uncredited = 0;
    this.listener?.onSent(credit);
  }

  /** All of the reply, or of what goes down a tunnel, was sent. */
  private onReplyEnd(): void {
    const { listener } = this;
    this.isEndDue = false;
    if (!this.isTunnel || this.hasEnded) this.listener = null;
    this.isReplyDone = true;
    this.closeWindow();
    const isUploading = (!this.isTunnel || this.isUpDropped) && !this.stream.isRemoteClosed;
    this.deadlineMs = isUploading ? this.owner.context.deadlineIn(UPLOAD_END_MS) : NEVER;
    listener?.onDone();
  }

  private beginTunnel(): void {
    const { early } = this;
    this.early = null;
    while (early !== null && !early.isEmpty) {
      early.trySendFirst((bytes) => {
        this.listener?.onData(bytes, false);
        this.use(bytes.length);
        return bytes.length;
      });
    }
    if (this.stream.isRemoteClosed) this.onEnd(NO_FIELDS);
  }
}
