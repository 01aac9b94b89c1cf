/**
 * Reads one reply at a time out of the bytes that a connection brings.
 *
 * Thread: any (pure). Knows nothing of sockets: bytes come through take(), the end of them through
 * finish(). Pieces of a body are views of what was given to take().
 *
 *     NOTHING ──begin──► HEAD ──► LENGTH | CHUNKED | UNTIL_CLOSE ──► NOTHING | STOPPED
 *                         ├── interim replies, bodiless replies ──┘
 *                         └──► UNTIL_CLOSE (101: the bytes of another protocol)
 *
 * Invariants: a reply has ended only when its framing says so. However the bytes are cut into
 * pieces, the listener gets the same calls. After a broken reply, or one with bytes behind it,
 * nothing is read any more: further bytes could be mistaken for the reply to another request.
 */
import { assertNever } from '../../base/assert.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { CHUNK_BAD, CHUNK_DATA, CHUNK_END, CHUNK_MORE, ChunkedDecoder } from './chunked-decoder.js';
import { HeadMemory } from './head-memory.js';
import {
  checkPartialHead,
  FRAMING_CHUNKED,
  FRAMING_LENGTH,
  FRAMING_UNTIL_CLOSE,
  fieldsMaxOf,
  HEAD_BYTES_MAX,
  HEAD_TOO_LARGE,
  parseReplyHead,
  ReplyHead,
} from './reply-head-parser.js';

/** Interim replies before the final one: a target that works for long may send one now and then. */
export const INTERIM_REPLIES_MAX = 100;

/** Nearly every head is shorter than this. */
const HEAD_PEEK_BYTES = 2048;
const HEAD_END = '\r\n\r\n';
const NO_BYTES = Buffer.alloc(0);

const NOTHING = 0;
const HEAD = 1;
const LENGTH = 2;
const CHUNKED = 3;
const UNTIL_CLOSE = 4;
const STOPPED = 5;
type ReaderState =
  | typeof NOTHING
  | typeof HEAD
  | typeof LENGTH
  | typeof CHUNKED
  | typeof UNTIL_CLOSE
  | typeof STOPPED;

/** Hears of the reply. */
export interface ReplyListener {
  onReplyBegun(): void;
  /** Valid inside the call only. */
  onReplyHead(head: ReplyHead): void;
  /** `isLast`: the body ends here. It may end without. False: nothing more until resume(). */
  onReplyData(bytes: Buffer, isLast: boolean): boolean;
  /** A head before that of the reply, such as Early Hints. Valid inside the call only. */
  onReplyInterim(head: ReplyHead): void;
  /** `trailers`: fields behind the body. False: the connection may not be used again. */
  onReplyEnd(isReusable: boolean, trailers: FieldBlock): void;
  onReplyBroken(problem: string): void;
}

export class ReplyReader {
  readonly head: ReplyHead;
  isPaused = false;
  /** Some byte of the reply came. */
  hasBegun = false;

  private state: ReaderState = NOTHING;
  private isHeadMethod = false;
  private mayUpgrade = false;
  private interimCount = 0;
  private readonly decoder = new ChunkedDecoder();
  /** The head so far, when it did not come at once. */
  private headText = '';
  /** The last characters of it. */
  private headTail = '';
  private readonly memory = new HeadMemory();
  /** What the remembered head says: listeners may change what they get. */
  private readonly known: ReplyHead;
  private bodyLeft = 0;
  /** Bytes that came along with those after which the listener wanted a pause. */
  private unread: Buffer = NO_BYTES;

  /** `headBytesMax`: of a head, with its empty line. */
  constructor(
    private readonly listener: ReplyListener,
    private readonly headBytesMax = HEAD_BYTES_MAX,
  ) {
    this.head = new ReplyHead(fieldsMaxOf(headBytesMax));
    this.known = new ReplyHead(this.head.fieldsMax);
  }

  /** A body has begun, and only bytes that are still to be read can end it. */
  get awaitsBody(): boolean {
    const isInBody = this.state === LENGTH || this.state === CHUNKED || this.state === UNTIL_CLOSE;
    return isInBody && this.unread.length === 0;
  }

  /**
   * A request was sent: its reply comes next. `mayUpgrade`: it may be a 101; what follows that is
   * a body that ends with the connection.
   */
  begin(isHeadMethod: boolean, mayUpgrade = false): void {
    this.isHeadMethod = isHeadMethod;
    this.mayUpgrade = mayUpgrade;
    this.hasBegun = false;
    this.interimCount = 0;
    this.state = HEAD;
  }

  /** Reads from `start` to `end`; what must wait for resume() is copied. */
  take(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.isPaused) at = this.takePart(bytes, at, end);
    if (at < end) this.keepUnread(bytes.subarray(at, end));
  }

  /** TLS hands on what it has decrypted already, also after it was told to stop. */
  private keepUnread(bytes: Buffer): void {
    const { unread } = this;
    this.unread = unread.length === 0 ? Buffer.from(bytes) : Buffer.concat([unread, bytes]);
  }

  /** Goes on after a pause. */
  resume(): void {
    const { unread } = this;
    this.isPaused = false;
    this.unread = NO_BYTES;
    if (unread.length > 0) this.take(unread, 0, unread.length);
  }

  /** No byte will follow. True: that was the end of a reply, and the listener has heard of it. */
  finish(): boolean {
    if (this.state !== UNTIL_CLOSE || this.unread.length > 0) return false;
    this.state = STOPPED;
    this.listener.onReplyEnd(false, NO_FIELDS);
    return true;
  }

  /** Reads nothing any more. */
  stop(): void {
    this.state = STOPPED;
    this.isPaused = false;
    this.unread = NO_BYTES;
    this.headText = '';
    this.headTail = '';
  }

  /** Returns where to go on. */
  private takePart(bytes: Buffer, at: number, end: number): number {
    switch (this.state) {
      case HEAD:
        return this.takeHead(bytes, at, end);
      case LENGTH:
        return this.takeLength(bytes, at, end);
      case CHUNKED:
        return this.takeChunked(bytes, at, end);
      case UNTIL_CLOSE:
        this.deliver(bytes, at, end, false);
        return end;
      case STOPPED:
        return end;
      case NOTHING:
        return this.refuse('bytes that nobody asked for', end);
      default:
        return assertNever(this.state);
    }
  }

  // Hot path: once for every reply; bench/micro/worker/upstream-transport watches it.
  private takeHead(bytes: Buffer, at: number, end: number): number {
    if (!this.hasBegun) {
      this.hasBegun = true;
      this.listener.onReplyBegun();
    }
    const { headText, headBytesMax } = this;
    const knownBytes = headText === '' ? this.memory.match(bytes, at, end, this.known) : 0;
    if (knownBytes > 0) {
      this.head.take(this.known);
      return this.beginReply(at + knownBytes, end);
    }
    // Only so much of what came before can be part of the end; a long head is not searched anew.
    const tail = this.headTail;
    const peek = Math.min(end, at + HEAD_PEEK_BYTES);
    let piece = tail + bytes.toString('latin1', at, peek);
    let stop = piece.indexOf(HEAD_END);
    if (stop === -1 && peek < end) {
      piece = tail + bytes.toString('latin1', at, Math.min(end, at + headBytesMax));
      stop = piece.indexOf(HEAD_END);
    }
    if (stop === -1) return this.keepPartialHead(piece, end);
    const headBytes = headText.length - tail.length + stop + HEAD_END.length;
    if (headBytes > headBytesMax) return this.refuse(HEAD_TOO_LARGE, end);
    const text = headText === '' ? piece : headText + piece.slice(tail.length);
    this.headText = '';
    this.headTail = '';
    const problem = parseReplyHead(text, headBytes - 2, this.head);
    if (problem !== '') return this.refuse(problem, end);
    const next = at + stop + HEAD_END.length - tail.length;
    if (this.head.status < 200) return this.passInterim(next, end);
    if (headText === '' && this.memory.offer(bytes, at, next, this.known)) {
      this.known.take(this.head);
    }
    return this.beginReply(next, end);
  }

  /** `piece`: the tail of what was kept, and what came. */
  private keepPartialHead(piece: string, end: number): number {
    const { headText, headTail } = this;
    const text = headText + piece.slice(headTail.length);
    if (text.length >= this.headBytesMax) return this.refuse(HEAD_TOO_LARGE, end);
    const isBegin = text.length <= HEAD_PEEK_BYTES;
    const problem = isBegin
      ? checkPartialHead(text, headText.length, true)
      : checkPartialHead(piece, headTail.length, headText === '');
    if (problem !== '') return this.refuse(problem, end);
    this.headText = text;
    this.headTail = piece.slice(1 - HEAD_END.length);
    return end;
  }

  private passInterim(next: number, end: number): number {
    if (this.head.status === 101) return this.beginUpgraded(next, end);
    if (!this.head.isPersistent) return this.refuse('an interim reply that closes', end);
    this.interimCount++;
    if (this.interimCount > INTERIM_REPLIES_MAX) {
      return this.refuse('too many interim replies', end);
    }
    this.listener.onReplyInterim(this.head);
    return next;
  }

  private beginUpgraded(next: number, end: number): number {
    if (!this.mayUpgrade) return this.refuse('an upgrade that nobody asked for', end);
    this.state = UNTIL_CLOSE;
    this.listener.onReplyHead(this.head);
    return next;
  }

  private beginReply(next: number, end: number): number {
    const { head } = this;
    const { status, framing, bodyBytes } = head;
    const isBodiless = this.isHeadMethod || status === 204 || status === 304;
    // What a 204 announces against the rules may still come.
    if (status === 204 && (framing === FRAMING_CHUNKED || bodyBytes > 0)) head.isPersistent = false;
    const isEmpty = isBodiless || (framing === FRAMING_LENGTH && bodyBytes === 0);
    if (!isEmpty) this.beginBody();
    this.listener.onReplyHead(head);
    // The listener may have stopped it all.
    if (isEmpty && this.state === HEAD) this.complete(next, end);
    return next;
  }

  private beginBody(): void {
    const { framing, bodyBytes } = this.head;
    this.bodyLeft = bodyBytes;
    switch (framing) {
      case FRAMING_CHUNKED:
        this.decoder.reset();
        this.state = CHUNKED;
        break;
      case FRAMING_LENGTH:
        this.state = LENGTH;
        break;
      case FRAMING_UNTIL_CLOSE:
        this.state = UNTIL_CLOSE;
        break;
      default:
        assertNever(framing);
    }
  }

  private takeLength(bytes: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.bodyLeft);
    this.bodyLeft -= stop - at;
    this.deliver(bytes, at, stop, this.bodyLeft === 0);
    if (this.bodyLeft === 0 && this.state === LENGTH) {
      this.isPaused = false;
      this.complete(stop, end);
    }
    return stop;
  }

  private takeChunked(bytes: Buffer, at: number, end: number): number {
    const { decoder } = this;
    const event = decoder.step(bytes, at, end);
    switch (event) {
      case CHUNK_DATA:
        this.deliver(bytes, decoder.dataStart, decoder.dataEnd, false);
        break;
      case CHUNK_END:
        this.complete(decoder.at, end, decoder.trailers);
        break;
      case CHUNK_BAD:
        return this.refuse('bad chunk', end);
      case CHUNK_MORE:
        break;
      default:
        assertNever(event);
    }
    return decoder.at;
  }

  private deliver(bytes: Buffer, start: number, end: number, isLast: boolean): void {
    if (this.listener.onReplyData(bytes.subarray(start, end), isLast)) return;
    if (this.state !== STOPPED) this.isPaused = true;
  }

  /** The reply has ended at `at`; bytes behind it make the connection worthless. */
  private complete(at: number, end: number, trailers: FieldBlock = NO_FIELDS): void {
    const isReusable = at === end && this.head.isPersistent;
    this.state = isReusable ? NOTHING : STOPPED;
    this.listener.onReplyEnd(isReusable, trailers);
  }

  private refuse(problem: string, end: number): number {
    this.stop();
    this.listener.onReplyBroken(problem);
    return end;
  }
}
