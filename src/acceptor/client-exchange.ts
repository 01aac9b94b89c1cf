/**
 * One request of a client, and every decision about its body and reply that the acceptor makes.
 *
 * Thread: acceptor. Owns the policy: the window of the upload and what overflows it, the limit of
 * the body, slow bodies, a second run when the worker died, what becomes of the connection, and
 * the answers that the gateway gives in a worker's place. How bytes get to and from clients is the
 * engine's affair.
 *
 * A reply that comes before the end of its upload closes the connection, and what the client still
 * sends is read before that (lingering.ts): the exchange has left the table by then.
 *
 * Invariants: the exchange leaves the in-flight table exactly once. What the window does not take
 * of the upload is kept as `overflow`: what the engine reads before a pause takes effect, and
 * never more than limits.bodyBytes.
 */
import { type FieldBlock, joinFields, NO_FIELDS } from '../base/field-block.js';
import { isIdempotentMethod } from '../base/http-method.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import { BODY_RECORD_BYTES_MAX, WINDOW_BYTES } from '../channel/lane.js';
import { FLAG_END, FLAG_TUNNEL } from '../channel/records/record-kind.js';
import type { HttpProtocol, NewRequest } from '../channel/records/request-head.js';
import { fieldsOfBrokenCall } from './broken-call.js';
import type {
  ClientListener,
  ClientRequest,
  ClientSocket,
  ReplyClosing,
  ReplyHead,
} from './client-engine.js';
import { ClientTunnel } from './client-tunnel.js';
import type { ExchangeContext } from './exchange-context.js';
import { briefHead, isCallStream } from './head-facts.js';
import { redirection } from './https-redirect.js';
import type { Downstream } from './in-flight-table.js';
import type { ExchangeEnd } from './lane-dispatcher.js';
import { Lingering } from './lingering.js';
import { localReplyHead } from './local-reply.js';
import { refusalDetail } from './refusal-detail.js';
import { UploadOverflow } from './upload-overflow.js';
import { UploadPace } from './upload-pace.js';

/** Heads up to this size are kept while their requests are in flight, to be sent once more. */
const KEPT_HEAD_CHARS_MAX = 8192;
const NO_BYTES = new Uint8Array(0);

export class ClientExchange implements Downstream, ClientListener {
  private readonly method: string;
  private readonly target: string;
  private readonly peer: string;
  private readonly receivedMs: number;
  private readonly bodyBytes: number;
  private readonly protocol: HttpProtocol;
  private readonly mustClose: boolean;
  private readonly listener: number;
  private readonly wantsTunnel: boolean;
  private readonly replyWindow: number;
  /** The head as the lane has it; empty: not kept, and the request cannot run again. */
  private readonly text: string;
  /** What a refusal goes by: the same, or a part of a head that is not kept. */
  private readonly refusalText: string;
  isConversation = false;
  /** As the configuration had it when the request began. */
  private readonly bodyBytesMax: number;

  /** Place in the in-flight table; -1: none, before the request was sent and after it has ended. */
  private index = -1;
  private isReplyStarted = false;
  /** The socket must not be used any more. */
  private isOver = false;
  /** null: the exchange is none, or not yet. */
  private tunnel: ClientTunnel | null = null;
  /** The engine has all of the reply, or of what goes down a tunnel. */
  private isReplyDone = false;
  /** The worker knows that nothing more comes up the tunnel. */
  private isUploadSent = false;
  private hasRunAgain = false;

  private window = WINDOW_BYTES;
  private received = 0;
  private isRequestComplete: boolean;
  /** null: there never was any. */
  private overflow: UploadOverflow | null = null;
  /** Trailers that wait behind the overflow. */
  private trailers: FieldBlock = NO_FIELDS;
  private isPaused = false;
  /** The connection closes behind the reply, once what the client still sends has been read. */
  private mustLinger = false;
  /** All of the reply came with its head. */
  private isReplyWhole = false;
  /** Length of the reply that its head has told; -1: unknown. */
  private replyBytes = -1;
  private lingering: Lingering | null = null;
  private readonly pace = new UploadPace();

  /** `request` is not kept: it serves the engine's next request. */
  constructor(
    private readonly context: ExchangeContext,
    private readonly socket: ClientSocket,
    request: ClientRequest,
  ) {
    this.method = request.method;
    this.target = request.target;
    this.peer = request.peer;
    this.receivedMs = request.receivedMs;
    this.bodyBytes = request.bodyBytes;
    this.protocol = request.protocol;
    this.listener = request.listener;
    this.wantsTunnel = request.wantsTunnel;
    this.replyWindow = request.replyWindow ?? WINDOW_BYTES;
    this.mustClose = request.mustClose || request.problem !== null;
    const isKept = request.text.length <= KEPT_HEAD_CHARS_MAX;
    this.text = isKept ? request.text : '';
    this.refusalText = isKept ? request.text : briefHead(request.text);
    this.bodyBytesMax = isCallStream(request) ? Number.POSITIVE_INFINITY : context.bodyBytesMax;
    this.isRequestComplete = request.bodyBytes === 0;
  }

  /** Sends the request to a worker, or refuses it. */
  begin(request: ClientRequest): void {
    try {
      const elsewhere = redirection(request, this.context.redirectPort);
      if (request.problem !== null) this.refuse(request.problem, request.reason);
      else if (elsewhere !== null) this.refuse(elsewhere.problem, '', elsewhere.fields);
      else {
        this.index = this.context.dispatcher.trySend(request, this);
        if (this.index === -1) this.shed();
      }
    } catch (error) {
      this.onBroken(error);
    }
  }

  /** In a later turn: an engine that closes inside its parser would read on in unjudged bytes. */
  private refuse(problem: ProblemKind, cause: string, more: FieldBlock = NO_FIELDS): void {
    this.context.clock.afterTurn(() => this.answer(problem, refusalDetail(problem), cause, more));
  }

  private shed(): void {
    const { dispatcher, clock } = this.context;
    const kind = dispatcher.servedLanes === 0 ? PROBLEMS.notReady : PROBLEMS.overloaded;
    const detail = 'The gateway takes no more requests now; try again shortly.';
    if (this.bodyBytes === 0) this.answer(kind, detail);
    else clock.afterTurn(() => this.answer(kind, detail));
  }

  // What the engine tells.

  // Hot path for uploads (bench/gateway/stream-up): each piece is copied once, straight into the
  // ring.
  onData(bytes: Uint8Array, isLast: boolean): void {
    try {
      this.takeData(bytes, isLast);
    } catch (error) {
      this.onBroken(error);
    }
  }

  private takeData(bytes: Uint8Array, isLast: boolean): void {
    if (this.index === -1) {
      this.skip(bytes, isLast);
      return;
    }
    if (this.isOver) return;
    this.received += bytes.length;
    if (isLast) this.isRequestComplete = true;
    if (this.received > this.bodyBytesMax && this.tunnel === null) {
      const detail = 'The request body is larger than limits.bodyBytes.';
      this.replaceByProblem(PROBLEMS.bodyTooLarge, detail);
      return;
    }
    const isDirect = !this.hasOverflow;
    const sent = isDirect ? this.sendPieces(bytes, isLast) : 0;
    if (sent < bytes.length || (!isDirect && isLast)) {
      this.keepOverflow(bytes.subarray(sent), isLast);
    }
  }

  /** What comes of an upload that no worker wants: before its refusal, or behind its reply. */
  private skip(bytes: Uint8Array, isLast: boolean): void {
    if (isLast) this.isRequestComplete = true;
    this.lingering?.onBytes(bytes.length);
    if (isLast) this.onSkippedAll();
  }

  /**
   * Nothing of the upload is left unread: the connection can be closed without a reset. Where the
   * reply was long the client may still be reading, and the closing is left to the client.
   */
  private onSkippedAll(): void {
    const { lingering } = this;
    if (lingering === null || !this.isReplyWhole) return;
    this.context.clock.afterTurn(() => {
      if (this.lingering === lingering) lingering.end();
    });
  }

  onTrailers(fields: FieldBlock): void {
    try {
      if (this.index === -1) this.skip(NO_BYTES, true);
      if (this.isOver || this.index === -1) return;
      this.isRequestComplete = true;
      this.trailers = fields;
      if (!this.hasOverflow) this.sendTrailers();
    } catch (error) {
      this.onBroken(error);
    }
  }

  onSent(bytes: number): void {
    try {
      if (this.index !== -1) this.context.dispatcher.sendWindow(this.index, bytes);
    } catch (error) {
      this.onBroken(error);
    }
  }

  onDone(): void {
    this.isReplyDone = true;
    const mayLinger = this.mustLinger && this.socket.capabilities.lingers;
    if (mayLinger && !this.isRequestComplete) this.beginLingering();
    if (this.isOver) return;
    // The client may still send bytes up a tunnel whose way down has ended.
    if (this.tunnel === null || this.isUploadSent) this.end('replied');
  }

  private beginLingering(): void {
    const { clock, lingerBytesMax } = this.context;
    this.resume();
    this.lingering = new Lingering(clock, lingerBytesMax, () => {
      this.lingering = null;
      this.socket.abort();
    });
  }

  onRefused(kind: ProblemKind, reason: string): void {
    try {
      if (this.index !== -1) this.replaceByProblem(kind, refusalDetail(kind), reason);
    } catch (error) {
      this.onBroken(error);
    }
  }

  onAborted(): void {
    this.lingering?.stop();
    this.lingering = null;
    this.end(this.context.isClosed ? 'cut' : 'aborted');
  }

  // The request body on its way to the worker.

  /** Sends what the window allows; returns how many bytes went. The end goes with the last. */
  private sendPieces(bytes: Uint8Array, isLast: boolean): number {
    let at = 0;
    while (at < bytes.length && this.window > 0) {
      const size = Math.min(bytes.length - at, BODY_RECORD_BYTES_MAX, this.window);
      const isEnd = isLast && at + size === bytes.length;
      this.sendPiece(bytes.subarray(at, at + size), isEnd);
      this.window -= size;
      at += size;
    }
    if (bytes.length === 0 && isLast) this.sendUploadEnd();
    return at;
  }

  private sendPiece(piece: Uint8Array, isEnd: boolean): void {
    const { dispatcher } = this.context;
    if (this.tunnel !== null) {
      dispatcher.sendTunnelBytes(this.index, piece);
      if (isEnd) this.endTunnelUp();
    } else {
      dispatcher.sendBody(this.index, piece, isEnd);
    }
  }

  private sendUploadEnd(): void {
    if (this.tunnel !== null) this.endTunnelUp();
    else this.context.dispatcher.sendEnd(this.index);
  }

  private endTunnelUp(): void {
    this.isUploadSent = true;
    this.context.dispatcher.sendTunnelEnd(this.index);
    if (this.isReplyDone) this.end('replied');
  }

  private sendTrailers(): void {
    this.context.dispatcher.sendTrailers(this.index, this.trailers);
    this.trailers = NO_FIELDS;
  }

  private get hasOverflow(): boolean {
    return this.overflow !== null && !this.overflow.isEmpty;
  }

  private keepOverflow(rest: Uint8Array, isLast: boolean): void {
    this.overflow ??= new UploadOverflow();
    this.overflow.add(rest, isLast);
    // An engine that does not read behind the last piece would not see that the client leaves.
    if (isLast) return;
    this.isPaused = true;
    this.socket.pause();
  }

  onWindow(bytes: number): void {
    this.window += bytes;
    while (this.window > 0 && this.overflow !== null && !this.overflow.isEmpty) {
      if (!this.overflow.trySendFirst((piece, isLast) => this.sendPieces(piece, isLast))) return;
    }
    if (this.hasOverflow) return;
    if (this.trailers !== NO_FIELDS) this.sendTrailers();
    this.resume();
  }

  onConversation(): void {
    this.isConversation = true;
  }

  private resume(): void {
    if (!this.isPaused || this.isOver) return;
    this.isPaused = false;
    this.socket.resume();
  }

  /** Called every LOOK_MS. `bytesMin`: what a body must have brought since the last look. */
  onLook(bytesMin: number): void {
    if (this.isOver) return;
    this.socket.refresh();
    const isClientsTurn = !this.isRequestComplete && !this.hasOverflow && !this.isConversation;
    const isSilenceSeen = this.socket.capabilities.bodyTimer;
    if (!this.pace.isTooSlow(isClientsTurn, this.received, { bytesMin, isSilenceSeen })) return;
    this.replaceByProblem(PROBLEMS.requestTimeout, 'The request body came too slowly.');
  }

  // What the worker says.

  onResponseInterim(status: number, fields: FieldBlock): void {
    if (this.isOver || this.isReplyStarted || !this.socket.capabilities.interimHeads) return;
    this.socket.sendInterim(status, fields);
  }

  onResponseHead(head: ReplyHead): void {
    if (this.isOver) return;
    const isTunnel = (head.flags & FLAG_TUNNEL) !== 0;
    if (isTunnel && !this.socket.capabilities.tunnels) {
      this.cutOff('aborted');
      return;
    }
    if (isTunnel) this.tunnel = new ClientTunnel(this.socket);
    this.isReplyStarted = true;
    // An engine that is paused when the reply ends might stay so for the next request.
    this.resume();
    this.sendHead(head, isTunnel ? 'none' : this.closing());
  }

  private sendHead(head: ReplyHead, closing: ReplyClosing): void {
    this.mustLinger = closing === 'lingering';
    this.replyBytes = head.bodyBytes;
    this.isReplyWhole = (head.flags & FLAG_END) !== 0;
    this.socket.sendHead(head, closing);
  }

  private closing(): ReplyClosing {
    if (!this.isRequestComplete) return 'lingering';
    if (this.mustClose) return 'deaf';
    return this.context.isDraining ? 'announced' : 'none';
  }

  onResponseBody(chunk: Uint8Array, isLast: boolean): void {
    if (!this.isOver) this.socket.sendBody(chunk, isLast);
  }

  onResponseEnd(): void {
    if (!this.isOver) this.socket.sendEnd();
  }

  onResponseTrailers(fields: FieldBlock): void {
    if (this.isOver) return;
    if (this.socket.capabilities.trailers) this.socket.sendTrailers(fields);
    else this.socket.sendEnd();
  }

  onResponseAbort(): void {
    this.cutOff('replied');
  }

  onTunnelBytes(bytes: Uint8Array, isAtBorder: boolean): void {
    if (!this.isOver) this.tunnel?.send(bytes, isAtBorder);
  }

  onTunnelEnd(): void {
    if (!this.isOver) this.tunnel?.end();
  }

  takeRerun(): NewRequest | null {
    const { text, receivedMs, bodyBytes, protocol, listener, wantsTunnel, replyWindow } = this;
    const isSafe = text !== '' && bodyBytes === 0 && isIdempotentMethod(this.method);
    if (!isSafe || this.hasRunAgain || this.isReplyStarted) return null;
    this.hasRunAgain = true;
    const origin = { protocol, listener, expectsContinue: false, wantsTunnel, replyWindow };
    return { receivedMs, bodyBytes, ...origin, text };
  }

  onLaneLost(): void {
    if (this.tunnel === null) {
      this.replaceByProblem(PROBLEMS.workerLost, 'The worker ended; try again.');
    } else if (!this.isOver) {
      this.isOver = true;
      this.leave('aborted');
      this.tunnel.cutOff();
    }
  }

  onUnserved(): void {
    const detail = 'No worker could take the request in time; try again.';
    this.replaceByProblem(PROBLEMS.notReady, detail);
  }

  // How an exchange ends without its worker.

  /** The gateway answers in place of the worker, and tells the worker that the request is over. */
  private replaceByProblem(kind: ProblemKind, detail: string, cause = ''): void {
    const end = this.isReplyStarted ? this.endOfCall(kind, detail) : NO_FIELDS;
    if (this.isReplyStarted && end === NO_FIELDS) {
      this.cutOff('aborted');
      return;
    }
    this.leave('answered');
    this.resume();
    if (this.isReplyStarted) this.socket.sendTrailers(end);
    else this.answer(kind, detail, cause);
  }

  /** What a client of gRPC is told behind a reply that cannot go on; NO_FIELDS: it is cut off. */
  private endOfCall(kind: ProblemKind, detail: string): FieldBlock {
    const { method, protocol, refusalText: text, replyBytes } = this;
    if (this.isOver) return NO_FIELDS;
    return fieldsOfBrokenCall({ method, protocol, text, replyBytes }, kind, detail);
  }

  /** Sends a problem document. The exchange is in no lane any more, or never was. */
  private answer(kind: ProblemKind, detail: string, cause = '', more = NO_FIELDS): void {
    if (this.isOver) return;
    const { context, method, protocol, target, peer } = this;
    this.isReplyStarted = true;
    try {
      const durationMs = context.clock.nowMs() - this.receivedMs;
      const made = { requestId: context.requestIds.next(), kind, cause, durationMs };
      const record = { ...made, method, protocol, target, peer };
      const told = context.fieldsOfRefusal(method, target, this.refusalText);
      const page = context.pageOfRefusal(record, detail, this.refusalText);
      const shape = { fields: joinFields(told, more), page, head: this.refusalText };
      this.sendHead(localReplyHead(record, detail, shape), this.localClosing());
      context.onLocalReply(record);
    } catch (error) {
      this.onBroken(error);
    }
  }

  private localClosing(): ReplyClosing {
    if (!this.isRequestComplete) return 'lingering';
    const mustClose = this.mustClose || this.bodyBytes !== 0 || this.context.isDraining;
    return mustClose ? 'closed' : 'none';
  }

  /** The client sees that its reply is not complete. */
  private cutOff(end: ExchangeEnd): void {
    if (this.isOver) return;
    this.isOver = true;
    try {
      this.socket.abort();
    } catch (error) {
      this.context.onError(error);
    }
    this.end(end);
  }

  /** The engine has said that it is over. */
  private end(end: ExchangeEnd): void {
    this.isOver = true;
    try {
      this.leave(end);
    } catch (error) {
      this.context.onError(error);
    }
  }

  /** A mistake of ours: the exchange ends, and its place is given back. */
  onBroken(error: unknown): void {
    this.context.onError(error);
    this.cutOff('aborted');
  }

  private leave(end: ExchangeEnd): void {
    this.overflow?.drop();
    if (this.index === -1) return;
    const { index } = this;
    this.index = -1;
    this.context.dispatcher.finish(index, end);
  }
}
