/**
 * A request body that streams: the lane brings its pieces, a connection takes them.
 *
 * Thread: worker. Owned by its exchange. Pieces wait here until a connection stands: up to then
 * the request can go to another target. From then on they pass through, and the client gets window
 * back for what the socket has taken, so that it is slowed down to the target's pace. Where a call
 * of gRPC may be retried, the beginning is kept besides: as long as that is all of it, another
 * connection can take the body from the beginning as well.
 *
 * Invariant: at most a window of bytes is here and with the socket together, and what is kept.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { JoinedPieces } from '../../base/joined-pieces.js';
import { WINDOW_CREDIT_BYTES } from '../../channel/lane.js';

/** What takes the body: a connection that stands. */
export interface BodySink {
  /** The bytes are valid inside the call only. */
  onPiece(bytes: Uint8Array): void;
  /** `trailers`: fields behind the body, for a transport that can send them. */
  onBodyEnd(trailers: FieldBlock): void;
  /** Nobody wants the rest any more, and it will not come. */
  onBodyDropped(): void;
}

/** Where the body comes from. */
export interface BodySource {
  /** The body is wanted from now on. */
  onWanted(): void;
  /** Called for every WINDOW_CREDIT_BYTES that were taken while more may come. */
  giveWindow(bytes: number): void;
}

export class StreamedBody {
  private waiting: Buffer[] = [];
  private readonly joinedWaiting = new JoinedPieces();
  private sink: BodySink | null = null;
  private isComplete = false;
  private isDropped = false;
  private uncredited = 0;
  /** Bytes that are sent a second time: window was given back for them already. */
  private repeated = 0;
  private trailers: FieldBlock = NO_FIELDS;
  /** All that has come; null: it is not kept, or was too long. */
  private kept: Buffer[] | null;
  private readonly joinedKept = new JoinedPieces();
  private keptBytes = 0;
  /** Bytes that the target's side has taken, each once. */
  private takenBytes = 0;

  /** `bytes` is the length, -1 when it is not known. `keptBytesMax` 0: nothing is kept. */
  constructor(
    readonly bytes: number,
    private readonly source: BodySource,
    private readonly keptBytesMax = 0,
  ) {
    this.kept = keptBytesMax === 0 ? null : [];
  }

  /** Another connection can take the body from the beginning. */
  get canRepeat(): boolean {
    return this.kept !== null;
  }

  /** The bytes are valid inside the call only. */
  push(bytes: Uint8Array): void {
    if (this.isDropped || bytes.length === 0) return;
    if (this.kept !== null) this.keep(bytes);
    if (this.sink !== null) this.sink.onPiece(bytes);
    else this.joinedWaiting.add(this.waiting, bytes);
  }

  private keep(bytes: Uint8Array): void {
    this.keptBytes += bytes.length;
    if (this.keptBytes > this.keptBytesMax || this.kept === null) this.kept = null;
    else this.joinedKept.add(this.kept, bytes);
  }

  /** All of it is here. */
  end(trailers: FieldBlock): void {
    this.isComplete = true;
    this.trailers = trailers;
    this.sink?.onBodyEnd(trailers);
  }

  /** A connection takes it, from the beginning. */
  flowTo(sink: BodySink): void {
    const isRepeated = this.sink !== null && this.kept !== null;
    const waiting = isRepeated ? (this.kept ?? []) : this.waiting;
    if (isRepeated) this.repeated = this.takenBytes;
    this.waiting = [];
    this.sink = sink;
    for (const piece of waiting) sink.onPiece(piece);
    if (this.isComplete) sink.onBodyEnd(this.trailers);
    else this.source.onWanted();
  }

  /**
   * The connection that took it has done nothing with it: all of it waits again, with what comes
   * until the next connection takes it. False: it is not kept.
   */
  tryTakeBack(): boolean {
    if (this.isDropped || this.kept === null) return false;
    this.sink = null;
    this.waiting = [...this.kept];
    this.repeated = this.takenBytes;
    return true;
  }

  /** The next connection gets all of it. False: some of it went to the last one, and is gone. */
  tryRewind(): boolean {
    return this.sink === null ? !this.isDropped : this.tryTakeBack();
  }

  /** These bytes have been sent to the target. */
  onTaken(bytes: number): void {
    const repeated = Math.min(bytes, this.repeated);
    this.repeated -= repeated;
    this.takenBytes += bytes - repeated;
    this.uncredited += bytes - repeated;
    if (this.uncredited < WINDOW_CREDIT_BYTES || this.isComplete || this.isDropped) return;
    const credit = this.uncredited;
    this.uncredited = 0;
    this.source.giveWindow(credit);
  }

  /** The exchange is over. */
  drop(): void {
    if (this.isDropped) return;
    this.isDropped = true;
    this.waiting = [];
    this.kept = null;
    const { sink } = this;
    this.sink = null;
    if (!this.isComplete) sink?.onBodyDropped();
  }
}
