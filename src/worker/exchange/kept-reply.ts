/**
 * A reply that is kept while it is decided whether another try is made.
 *
 * Thread: worker. Owned by the exchange, written by tries/. Up to KEPT_BYTES_MAX of its body are
 * here; the rest of a longer one waits at the target. The reply goes to the client unchanged when
 * no better one comes.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { JoinedPieces } from '../../base/joined-pieces.js';
import type { ReplyFieldBlock } from '../../wire/http1/reply-fields.js';
import type { TryInFlight } from './try-in-flight.js';

/** Beyond this the target is made to wait. */
const KEPT_BYTES_MAX = 64 * 1024;

export class KeptReply implements ReplyFieldBlock {
  readonly fields: FieldBlock;
  readonly bodyBytes: number;
  readonly date: string;
  readonly phrase: string;
  readonly chunks: Buffer[] = [];
  trailers: FieldBlock = NO_FIELDS;
  /** All of it is here. */
  isComplete = false;
  /** The rest of it will never come. */
  isBroken = false;
  private readonly joined = new JoinedPieces();
  private keptBytes = 0;

  constructor(
    readonly attempt: TryInFlight,
    readonly status: number,
    { fields, bodyBytes, date, phrase = '' }: ReplyFieldBlock,
    /** The upstream that it is of, in place of the route's own; '': of that. */
    readonly fallback: string,
  ) {
    this.fields = fields;
    this.bodyBytes = bodyBytes;
    this.date = date;
    this.phrase = phrase;
  }

  /** False: the target is to wait. */
  onBody(chunk: Buffer): boolean {
    // Copied: the bytes are valid inside the call only.
    this.joined.add(this.chunks, chunk);
    this.keptBytes += chunk.length;
    return this.keptBytes < KEPT_BYTES_MAX;
  }

  onComplete(trailers: FieldBlock): void {
    this.trailers = trailers;
    this.isComplete = true;
  }

  onBroken(): void {
    this.isBroken = true;
  }

  /** It is not needed: the connection goes with it, unless all of it has come. */
  drop(): void {
    if (!this.isComplete) this.attempt.abort();
  }
}
