/**
 * The body of a request: what has come of it, and where that goes.
 *
 * Thread: worker. Owned by its exchange. A body of up to 64 KiB is collected and sent as one
 * buffer, so that it can be sent again; a longer or unknown one streams. One that filters have had
 * is whole, however long it is.
 */
import { copyOfBytes } from '../../base/copy-bytes.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { JoinedPieces } from '../../base/joined-pieces.js';
import { type BodySource, StreamedBody } from './streamed-body.js';

/** Bodies up to this size can be sent again. */
const REPLAYABLE_BYTES_MAX = 64 * 1024;

/** Bounds how slow a body may be. */
export interface UploadBound {
  /** The body is complete, or nobody waits for it any more. */
  stop(): void;
}

/** What the lane says of a body. */
export interface NewUpload {
  readonly bodyBytes: number;
  readonly isComplete: boolean;
  readonly expectsContinue: boolean;
}

export class Upload {
  /** Length of the body, -1: not known; once filters have had it, that of what they made. */
  bodyBytes: number;
  /** The last of it is here. */
  isComplete: boolean;
  /** The client waits to be told that its body is wanted, and was not told yet. */
  expectsContinue: boolean;
  /** Bytes that came. */
  received = 0;
  /** Window given back for them. */
  credited = 0;
  /** When a piece of a body that streams came last; 0: never. */
  movedMs = 0;
  /** Who calls is to be known by the whole body, which has not come yet. */
  isAwaited = false;
  /** Filters have had the whole body, which stays here. */
  isFiltered = false;
  /** The whole body is being decoded for filters. */
  isDecoding = false;
  private trailers: FieldBlock = NO_FIELDS;
  /** null: there are none. */
  private chunks: Buffer[] | null = null;
  private joined: JoinedPieces | null = null;
  private stream: StreamedBody | null = null;
  private bound: UploadBound | null = null;

  constructor({ bodyBytes, isComplete, expectsContinue }: NewUpload) {
    this.bodyBytes = bodyBytes;
    this.isComplete = isComplete;
    this.expectsContinue = expectsContinue;
  }

  /** The whole body is here before it is sent, and stays here. */
  get isCollected(): boolean {
    if (this.isFiltered) return true;
    return this.bodyBytes >= 0 && this.bodyBytes <= REPLAYABLE_BYTES_MAX;
  }

  /** The request can be sent from the beginning once more, though some of it was sent. */
  get canRepeat(): boolean {
    return this.isCollected || this.stream?.canRepeat === true;
  }

  /** The request can be sent: a body that is collected must be complete before that. */
  get isReady(): boolean {
    return this.isComplete || !this.isCollected;
  }

  /** What is known of its length: as announced, or more if more has come. */
  get bytesAtLeast(): number {
    return Math.max(this.bodyBytes, this.received);
  }

  /** Bytes that came and that no window was given back for. */
  get uncredited(): number {
    return this.received - this.credited;
  }

  /** These fields follow the body, whose end is to be told next. */
  onTrailers(trailers: FieldBlock): void {
    this.trailers = trailers;
  }

  /** More of the body. The bytes are valid inside the call only. */
  take(bytes: Uint8Array, isLast: boolean, nowMs: number): void {
    if (isLast) this.isComplete = true;
    this.received += bytes.length;
    const { stream } = this;
    if (stream === null) {
      if (bytes.length > 0) this.keep(bytes);
      return;
    }
    this.movedMs = nowMs;
    stream.push(bytes);
    if (isLast) stream.end(this.trailers);
  }

  private keep(bytes: Uint8Array): void {
    if (this.chunks === null) {
      this.chunks = [copyOfBytes(bytes)];
      return;
    }
    this.joined ??= new JoinedPieces();
    this.joined.add(this.chunks, bytes);
  }

  onAwaited(): void {
    this.isAwaited = true;
  }

  /** The whole body is here, by which the caller is known. */
  onJudged(): void {
    this.isAwaited = false;
  }

  /** The client is told that it may send the body. */
  onContinue(): void {
    this.expectsContinue = false;
  }

  onCredit(bytes: number): void {
    this.credited += bytes;
  }

  /** The body is watched from now on. */
  watchBy(bound: UploadBound): void {
    this.bound = bound;
  }

  /** The body may be as slow as it likes, or has ended. */
  endWatch(): void {
    this.bound?.stop();
  }

  /** All that has come of a body that is collected, as one buffer. */
  collected(): Buffer {
    const chunks = this.chunks ?? [];
    const [only] = chunks;
    if (chunks.length === 1 && only !== undefined) return only;
    const whole = Buffer.concat(chunks);
    this.chunks = [whole];
    return whole;
  }

  onDecoding(): void {
    this.isDecoding = true;
  }

  /** The body in place of the coded one, for filters. */
  onDecoded(bytes: Buffer): void {
    this.isDecoding = false;
    this.chunks = [bytes];
  }

  /** Filters have made this of the body. */
  replace(bytes: Buffer): void {
    this.chunks = bytes.length === 0 ? null : [bytes];
    this.bodyBytes = bytes.length;
    this.isFiltered = true;
  }

  /**
   * The body as a stream, one for all tries: as long as no connection stood, all of it is still
   * here. `isKept`: up to 64 KiB stay here all the same.
   */
  streamed(source: BodySource, isKept: boolean): StreamedBody {
    if (this.stream !== null) return this.stream;
    const keptBytesMax = isKept ? REPLAYABLE_BYTES_MAX : 0;
    const stream = new StreamedBody(this.bodyBytes, source, keptBytesMax);
    for (const chunk of this.chunks ?? []) stream.push(chunk);
    this.chunks = null;
    if (this.isComplete) stream.end(this.trailers);
    this.stream = stream;
    return stream;
  }

  /** Another try is to have all of the body. False: it is too long by now, and was not kept. */
  tryRewind(): boolean {
    return this.isCollected || this.stream === null || this.stream.tryRewind();
  }

  /** The exchange is over: its body goes. */
  release(): void {
    this.endWatch();
    this.stream?.drop();
    this.stream = null;
    this.chunks = null;
  }
}
