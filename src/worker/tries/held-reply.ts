/**
 * A reply that is held back while it is decided whether another try is made.
 *
 * Thread: worker. Owned by the exchange. Up to HELD_BYTES_MAX of its body are kept; a longer one
 * waits at the target. It goes to the client unchanged when there is no better one.
 */
import type { FieldBlock } from '../../base/field-block.js';
import type { ReplyFieldBlock } from '../upstream/reply-fields.js';
import type { UpstreamTry } from '../upstream/upstream-try.js';

/** Beyond this the target is made to wait. */
const HELD_BYTES_MAX = 64 * 1024;

export class HeldReply implements ReplyFieldBlock {
  readonly fields: FieldBlock;
  readonly bodyBytes: number;
  readonly chunks: Buffer[] = [];
  /** All of it is here. */
  isComplete = false;
  /** The rest of it will never come. */
  isBroken = false;
  private heldBytes = 0;

  constructor(
    readonly attempt: UpstreamTry,
    readonly status: number,
    { fields, bodyBytes }: ReplyFieldBlock,
  ) {
    this.fields = fields;
    this.bodyBytes = bodyBytes;
  }

  /** False: the target is to wait. */
  onBody(chunk: Buffer): boolean {
    // Copied: the bytes are valid inside the call only.
    this.chunks.push(Buffer.from(chunk));
    this.heldBytes += chunk.length;
    return this.heldBytes < HELD_BYTES_MAX;
  }

  /** It is not needed: the connection goes with it, unless all of it has come. */
  drop(): void {
    if (!this.isComplete) this.attempt.abort();
  }
}
