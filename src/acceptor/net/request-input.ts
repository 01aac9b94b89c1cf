/**
 * Turns reads of a connection into what its requests bring.
 *
 * Thread: acceptor. A client that sends its body in chunks of a byte must not cost a record of the
 * lane for each: small pieces of one read are moved together inside its bytes, over framing that
 * was read already. Invariant: nothing of a body is kept from one read to the next.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { withLateFields } from '../../wire/http1/late-fields.js';
import type { RequestHead } from '../../wire/http1/request-head.js';
import {
  REQUEST_DATA,
  REQUEST_END,
  REQUEST_HEAD,
  REQUEST_MORE,
  REQUEST_REFUSED,
  type RequestParser,
} from '../../wire/http1/request-parser.js';

/** Larger pieces stay where they are: a record costs less than moving them. */
const MOVED_BYTES_MAX = 1024;

/** Who reads requests. */
export interface RequestSink {
  /** Bytes are wanted; false ends the read, whatever is left of it. */
  readonly canRead: boolean;
  /** All bytes are used up, and a head or a body is not complete. */
  onMore(): void;
  onHead(head: RequestHead): void;
  /** A view of the bytes of the read. */
  onBody(piece: Buffer, isLast: boolean): void;
  /** Fields behind the body, which has ended. */
  onTrailers(fields: FieldBlock): void;
  onRefused(problem: ProblemKind, reason: string): void;
}

export class RequestInput {
  /** What the read has brought of the body and the sink does not have yet. */
  private start = 0;
  private end = 0;

  constructor(
    private readonly parser: RequestParser,
    private readonly sink: RequestSink,
  ) {}

  // Hot path (bench/gateway/plain-get): once for every read.
  /** Reads `bytes`, as far as they are wanted; returns how far that was. */
  read(bytes: Buffer): number {
    const { length } = bytes;
    const { sink } = this;
    let at = 0;
    while (at < length && sink.canRead) at = this.step(bytes, at, length);
    if (this.start !== this.end) this.flush(bytes, false);
    return at;
  }

  private step(bytes: Buffer, at: number, end: number): number {
    const { parser, sink } = this;
    const event = parser.step(bytes, at, end);
    switch (event) {
      case REQUEST_MORE:
        sink.onMore();
        break;
      case REQUEST_HEAD:
        sink.onHead(parser.head);
        break;
      case REQUEST_DATA:
        this.onPiece(bytes, parser);
        break;
      case REQUEST_END:
        this.onEnd(bytes, parser.trailers);
        break;
      case REQUEST_REFUSED:
        this.onRefused(bytes, parser.problem ?? PROBLEMS.badFraming);
        break;
      default:
        event satisfies never;
    }
    return parser.at;
  }

  // Hot path (bench/gateway/stream-up): once for every chunk.
  private onPiece(bytes: Buffer, { dataStart, dataEnd, isComplete }: RequestParser): void {
    const size = dataEnd - dataStart;
    if (this.start !== this.end && size <= MOVED_BYTES_MAX) {
      bytes.copyWithin(this.end, dataStart, dataEnd);
      this.end += size;
    } else {
      if (this.start !== this.end) this.flush(bytes, false);
      this.start = dataStart;
      this.end = dataEnd;
    }
    if (isComplete) this.flush(bytes, true);
  }

  private onEnd(bytes: Buffer, trailers: FieldBlock): void {
    if (trailers === NO_FIELDS) {
      this.flush(bytes, true);
      return;
    }
    if (this.start !== this.end) this.flush(bytes, false);
    if (this.sink.canRead) this.sink.onTrailers(trailers);
  }

  private onRefused(bytes: Buffer, problem: ProblemKind): void {
    if (this.start !== this.end) this.flush(bytes, false);
    if (!this.sink.canRead) return;
    const { parser } = this;
    // A page is told by what says which page it is, wherever that stands.
    if (problem === PROBLEMS.headTooLarge || problem === PROBLEMS.targetTooLong) {
      parser.head.text = withLateFields(parser.head.text, bytes.subarray(parser.at));
    }
    this.sink.onRefused(problem, parser.reason);
  }

  private flush(bytes: Buffer, isLast: boolean): void {
    const { start, end, sink } = this;
    this.start = 0;
    this.end = 0;
    if (sink.canRead) sink.onBody(bytes.subarray(start, end), isLast);
  }
}
