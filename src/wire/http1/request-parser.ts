/**
 * Reads the requests of one connection out of the bytes that it brings.
 *
 * Thread: any (pure). The owner asks step by step, and stops at the end of a message: pipelined
 * bytes stay with it. Pieces of a body are places in the bytes of the step; nothing is allocated
 * for a request but the text of its head.
 *
 *     LEADING ──► HEAD ──► LENGTH | CHUNKED ──► LEADING      and from anywhere: REFUSED
 *
 * Invariants: however the input is cut into pieces, events, bytes and verdict are the same. Behind
 * a refusal nothing is read.
 */
import { assertNever, defined } from '../../base/assert.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { CR, LF } from './characters.js';
import { CHUNK_BAD, CHUNK_DATA, CHUNK_END, CHUNK_MORE, ChunkedDecoder } from './chunked-decoder.js';
import { type FieldsMemory, HeadMemory, type HeadNumbers } from './head-memory.js';
import { RequestHead, type RequestOrigin, type ScannedConnection } from './request-head.js';
import { RequestHeadScanner } from './request-head-scanner.js';
import { EMPTY_LINES_MAX, type RequestRules } from './request-rules.js';
import { SCAN_MORE, SCAN_REFUSED, SCAN_WHOLE } from './scan-state.js';

/** All bytes of the step are used up, and more must come. */
export const REQUEST_MORE = 0;
/** The head is there; what follows it begins at `at`. */
export const REQUEST_HEAD = 1;
/** `dataStart` to `dataEnd` is the next part of the body. */
export const REQUEST_DATA = 2;
/** A chunked body has ended, with `trailers` behind it. */
export const REQUEST_END = 3;
/** The connection cannot be read any further: see `problem` and `reason`. */
export const REQUEST_REFUSED = 4;
export type RequestEvent =
  | typeof REQUEST_MORE
  | typeof REQUEST_HEAD
  | typeof REQUEST_DATA
  | typeof REQUEST_END
  | typeof REQUEST_REFUSED;

const LEADING = 0;
const HEAD = 1;
const LENGTH = 2;
const CHUNKED = 3;
const REFUSED = 4;
type ParserState = typeof LEADING | typeof HEAD | typeof LENGTH | typeof CHUNKED | typeof REFUSED;

/**
 * Scanners that read nothing. One reads a whole head at once, mostly: then it has served every
 * connection of the thread, and none of them keeps one for as long as it is open.
 */
const idleScanners: RequestHeadScanner[] = [];
/** More of them are read at once only where many heads come in pieces. */
const IDLE_SCANNERS_MAX = 16;

export class RequestParser implements ScannedConnection {
  readonly head: RequestHead;
  fieldsMemory: FieldsMemory | null = null;
  /** Where the next step begins. */
  at = 0;
  dataStart = 0;
  dataEnd = 0;
  /** The message has ended: the next step begins another one. */
  isComplete = true;
  /** Fields behind a chunked body. */
  trailers: FieldBlock = NO_FIELDS;
  problem: ProblemKind | null = null;
  reason = '';

  private state: ParserState = LEADING;
  /** Bytes of empty lines before a request. */
  private emptyBytes = 0;
  private bodyLeft = 0;
  private decoder: ChunkedDecoder | null = null;
  /** null: no head is being read. */
  private scanner: RequestHeadScanner | null = null;
  /** What `head` says is what these bytes say. */
  private readonly memory = new HeadMemory();

  /**
   * `rules` may be replaced between two requests. `numbers`: for heads that come again; null: they
   * get none.
   */
  constructor(
    public rules: RequestRules,
    readonly origin: RequestOrigin,
    private readonly numbers: HeadNumbers | null = null,
  ) {
    this.head = new RequestHead(origin.peer);
  }

  /** Nothing of a request has come but empty lines. */
  get isIdle(): boolean {
    return this.state === LEADING;
  }

  // Hot path (bench/gateway/plain-get): once for every read of a client's socket.
  /** Reads `bytes` from `start` until there is something to tell, at most to `end`. */
  step(bytes: Buffer, start: number, end: number): RequestEvent {
    this.at = start;
    switch (this.state) {
      case LEADING:
        return this.takeLeading(bytes, end);
      case HEAD:
        return this.takeHead(bytes, end);
      case LENGTH:
        return this.takeLength(end);
      case CHUNKED:
        return this.takeChunked(bytes, end);
      case REFUSED:
        this.at = end;
        return REQUEST_REFUSED;
      default:
        return assertNever(this.state);
    }
  }

  /** Refuses a head that is not complete, for a reason that does not lie in its bytes. */
  abandon(kind: ProblemKind, reason: string): void {
    (this.scanner ?? this.beginScan()).abandon(kind, reason);
    this.refuse();
  }

  /** Empty lines before a request are skipped, a few of them (RFC 9112 2.2). */
  private takeLeading(bytes: Buffer, end: number): RequestEvent {
    while (this.at < end) {
      const isBetweenLines = this.emptyBytes % 2 === 0;
      if (bytes[this.at] !== (isBetweenLines ? CR : LF)) return this.beginHead(bytes, end);
      if (this.emptyBytes === 2 * EMPTY_LINES_MAX) break;
      this.emptyBytes++;
      this.at++;
    }
    return this.at === end ? REQUEST_MORE : this.refuseLeading();
  }

  private beginHead(bytes: Buffer, end: number): RequestEvent {
    if (this.emptyBytes % 2 === 1) return this.refuseLeading();
    this.emptyBytes = 0;
    this.isComplete = false;
    this.trailers = NO_FIELDS;
    const { memory, rules, head, numbers } = this;
    const start = this.at;
    const known = memory.match(bytes, start, end, rules);
    if (known > 0) {
      this.at = start + known;
      if (head.headNumber === 0 && numbers !== null) head.headNumber = numbers.next();
      return this.beginBody();
    }
    memory.forget();
    head.headNumber = 0;
    this.state = HEAD;
    const event = this.takeHead(bytes, end);
    // The owner takes back that the client waits, so that such a head does not stay as it is.
    if (event === REQUEST_HEAD && !head.expectsContinue) memory.offer(bytes, start, this.at, rules);
    return event;
  }

  private beginScan(): RequestHeadScanner {
    const scanner = idleScanners.pop() ?? new RequestHeadScanner(this.rules);
    scanner.begin(this, this.rules);
    this.scanner = scanner;
    return scanner;
  }

  private endScan(): void {
    const { scanner } = this;
    this.scanner = null;
    if (scanner === null || idleScanners.length === IDLE_SCANNERS_MAX) return;
    scanner.forget();
    idleScanners.push(scanner);
  }

  private refuseLeading(): RequestEvent {
    this.beginScan().refuse(PROBLEMS.badRequestLine, 'empty lines in place of a request');
    return this.refuse();
  }

  private takeHead(bytes: Buffer, end: number): RequestEvent {
    const scanner = this.scanner ?? this.beginScan();
    const event = scanner.step(bytes, this.at, end);
    this.at = scanner.at;
    switch (event) {
      case SCAN_WHOLE:
        this.endScan();
        return this.beginBody();
      case SCAN_MORE:
        return REQUEST_MORE;
      case SCAN_REFUSED:
        return this.refuse();
      default:
        return assertNever(event);
    }
  }

  private beginBody(): RequestEvent {
    const { bodyBytes } = this.head;
    this.bodyLeft = bodyBytes;
    if (bodyBytes === 0) this.complete();
    else if (bodyBytes > 0) this.state = LENGTH;
    else this.beginChunked();
    return REQUEST_HEAD;
  }

  private beginChunked(): void {
    this.state = CHUNKED;
    this.decoder ??= new ChunkedDecoder();
    this.decoder.reset(this.rules.underscores === 'forward');
  }

  private takeLength(end: number): RequestEvent {
    const bytes = Math.min(this.bodyLeft, end - this.at);
    if (bytes === 0) return REQUEST_MORE;
    this.dataStart = this.at;
    this.at += bytes;
    this.dataEnd = this.at;
    this.bodyLeft -= bytes;
    if (this.bodyLeft === 0) this.complete();
    return REQUEST_DATA;
  }

  private takeChunked(bytes: Buffer, end: number): RequestEvent {
    const decoder = defined(this.decoder, 'the decoder of a chunked body');
    const event = decoder.step(bytes, this.at, end);
    this.at = decoder.at;
    switch (event) {
      case CHUNK_MORE:
        return REQUEST_MORE;
      case CHUNK_DATA:
        this.dataStart = decoder.dataStart;
        this.dataEnd = decoder.dataEnd;
        return REQUEST_DATA;
      case CHUNK_END:
        this.trailers = decoder.trailers;
        this.complete();
        return REQUEST_END;
      case CHUNK_BAD:
        this.state = REFUSED;
        this.problem = PROBLEMS.badChunk;
        this.reason = decoder.reason;
        return REQUEST_REFUSED;
      default:
        return assertNever(event);
    }
  }

  private complete(): void {
    this.isComplete = true;
    this.state = LEADING;
  }

  private refuse(): RequestEvent {
    this.endScan();
    this.isComplete = false;
    this.problem = this.head.problem;
    this.reason = this.head.reason;
    this.state = REFUSED;
    return REQUEST_REFUSED;
  }
}
