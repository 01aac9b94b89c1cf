/**
 * The reply of the exchange that a connection is in the middle of, on its way to the socket.
 *
 * Thread: acceptor. Owns where the reply stands. One object serves all replies of a connection, one
 * after the other.
 *
 *     begin ──► sendInterim* ──► sendHead ──► sendBody* ──► sendEnd ──► the owner's onReplyEnd()
 *
 * Invariant: onReplyEnd() is called once for a reply that was sent whole, when no more of it waits
 * in the socket than counts as sent.
 */
import type { Socket } from 'node:net';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { WINDOW_CREDIT_BYTES } from '../../channel/lane.js';
import { FLAG_BODILESS, FLAG_END, FLAG_TUNNEL } from '../../channel/records/record-kind.js';
import { endsInDate } from '../../channel/records/response-head.js';
import {
  BODY_UNTIL_CLOSE,
  CHUNK_EXTRA_BYTES,
  interimHead,
  REPLY_BODILESS,
  REPLY_CLOSES,
  REPLY_DATED,
  REPLY_END_BYTES,
  REPLY_HEAD_EXTRA_BYTES,
  ReplyWriter,
} from '../../wire/http1/reply-writer.js';
import type { Http1Version } from '../../wire/http1/request-head.js';
import type { ReplyHead } from '../client-engine.js';
import { SocketWriter, type WriterOwner } from './socket-writer.js';
import type { WireContext } from './wire-context.js';

/** What frames a piece of a body, and its end. */
const PIECE_EXTRA_BYTES = CHUNK_EXTRA_BYTES + REPLY_END_BYTES;

/** Whose replies they are. */
export interface ReplyOwner {
  /** The client took this many bytes of the body. */
  onReplySent(bytes: number): void;
  /** The client has all of the reply. */
  onReplyEnd(): void;
  /** The reply ended before the length that its head has announced. */
  onReplyShort(): void;
  /** The client takes bytes again, and no reply waits for that. */
  onUnblocked(): void;
  /** A mistake of ours: the connection ends. */
  onBroken(error: unknown): void;
}

export class Http1Reply implements WriterOwner {
  /** Its head was sent. */
  isBegun = false;
  /** The client has all of it. */
  isOver = false;
  /** Nothing follows it on the connection. */
  closes = false;

  private readonly writer: SocketWriter;
  private readonly format = new ReplyWriter();
  /** All of it was written; it ends when the connection is not blocked any more. */
  private isEndDue = false;
  private uncredited = 0;

  constructor(
    socket: Socket,
    private readonly context: WireContext,
    private readonly owner: ReplyOwner,
  ) {
    this.writer = new SocketWriter(socket, context.memory, this);
  }

  /** The client does not take what is written. */
  get isBlocked(): boolean {
    return this.writer.isBlocked;
  }

  /** How often something of what waited was taken. */
  get flushes(): number {
    return this.writer.flushes;
  }

  get unsentBytes(): number {
    return this.writer.unsentBytes;
  }

  /** Nothing waits in the socket. */
  get isWritten(): boolean {
    return this.writer.isEmpty;
  }

  /** Nothing more is written to the client. */
  endConnection(): void {
    this.writer.end();
  }

  /** Only the end of the connection tells where the body ends, and it has not come yet. */
  get endsByClosing(): boolean {
    return this.isBegun && !this.isOver && this.format.framing === BODY_UNTIL_CLOSE;
  }

  /** Another exchange begins. */
  begin(): void {
    this.isBegun = false;
    this.isOver = false;
    this.isEndDue = false;
    this.closes = false;
    this.uncredited = 0;
  }

  /** Whether something was written since the last call. */
  takeHasWritten(): boolean {
    const { hasWritten } = this.writer;
    this.writer.hasWritten = false;
    return hasWritten;
  }

  sendInterim(status: number, fields: FieldBlock): void {
    this.writer.sendConstant(Buffer.from(interimHead(status, fields), 'latin1'));
  }

  // Hot path (bench/gateway/plain-get): once for every reply.
  /** `version`: in which the request came; `closes`: nothing follows on the connection. */
  sendHead(head: ReplyHead, version: Http1Version, closes: boolean): void {
    const { format, writer } = this;
    const { inlineBody, flags, status, text } = head;
    const isEnd = (flags & FLAG_END) !== 0;
    const isBodiless = (flags & (FLAG_BODILESS | FLAG_TUNNEL)) !== 0;
    const bodyBytes = isEnd && !isBodiless ? inlineBody.length : head.bodyBytes;
    const formatFlags =
      (isBodiless ? REPLY_BODILESS : 0) |
      (closes ? REPLY_CLOSES : 0) |
      (endsInDate(text) ? REPLY_DATED : 0);
    this.isBegun = true;
    format.begin(version, status, bodyBytes, formatFlags);
    format.phrase = head.phrase ?? '';
    this.closes = format.closes;
    const room = text.length + REPLY_HEAD_EXTRA_BYTES + inlineBody.length + PIECE_EXTRA_BYTES;
    const memory = writer.reserve(room);
    let at = format.writeHead(memory, 0, text, this.context.clock.unixMs());
    if (inlineBody.length > 0 && !isBodiless) at = format.writeBody(memory, at, inlineBody);
    writer.send(memory, at, inlineBody.length);
    if (isEnd) this.finish();
  }

  // Hot path (bench/gateway/stream-down): each piece is copied once, as its memory is not ours.
  sendBody(chunk: Uint8Array, isLast: boolean): void {
    const { format, writer } = this;
    const memory = writer.reserve(chunk.length + PIECE_EXTRA_BYTES);
    let at = chunk.length > 0 ? format.writeBody(memory, 0, chunk) : 0;
    if (isLast) at = format.writeEnd(memory, at, NO_FIELDS);
    if (at > 0) writer.send(memory, at, chunk.length);
    if (isLast) this.finish();
  }

  sendEnd(trailers: FieldBlock): void {
    const memory = this.writer.reserve(trailers.length + PIECE_EXTRA_BYTES);
    const bytes = this.format.writeEnd(memory, 0, trailers);
    if (bytes > 0) this.writer.send(memory, bytes, 0);
    this.finish();
  }

  private finish(): void {
    if (this.format.left > 0) {
      this.owner.onReplyShort();
      return;
    }
    this.isEndDue = true;
    if (!this.writer.isBlocked) this.end();
  }

  private end(): void {
    this.isEndDue = false;
    this.isOver = true;
    this.owner.onReplyEnd();
  }

  // What the writer says.

  onTaken(bodyBytes: number): void {
    this.uncredited += bodyBytes;
    if (this.uncredited < WINDOW_CREDIT_BYTES) return;
    const credited = this.uncredited;
    this.uncredited = 0;
    this.owner.onReplySent(credited);
  }

  onUnblocked(): void {
    if (this.isEndDue) this.end();
    else this.owner.onUnblocked();
  }

  onBroken(error: unknown): void {
    this.owner.onBroken(error);
  }
}
