/**
 * Takes whole messages out of one direction of a call.
 *
 * Thread: any (pure). Holds one message at most, and none that is longer than `maxBytes`.
 */

const PREFIX_BYTES = 5;

/** Why the stream cannot be read any further. */
export type MessageProblem = 'tooLarge' | 'compressed';

export class MessageReader {
  /** null: all is well. Behind a problem nothing is read. */
  problem: MessageProblem | null = null;
  private readonly prefix = Buffer.alloc(PREFIX_BYTES);
  private prefixBytes = 0;
  /** Of the message that is being read, where its prefix is complete. */
  private left = 0;
  private pieces: Buffer[] = [];

  constructor(
    private readonly maxBytes: number,
    private readonly onMessage: (message: Buffer) => void,
  ) {}

  /** The stream ends inside a message. */
  get isPartial(): boolean {
    return this.prefixBytes > 0;
  }

  /** Messages are valid inside the call only. */
  take(bytes: Uint8Array): void {
    let input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (input.length > 0 && this.problem === null) {
      input = this.prefixBytes < PREFIX_BYTES ? this.takePrefix(input) : this.takeMessage(input);
    }
  }

  private takePrefix(input: Buffer): Buffer {
    const size = Math.min(PREFIX_BYTES - this.prefixBytes, input.length);
    input.copy(this.prefix, this.prefixBytes, 0, size);
    this.prefixBytes += size;
    if (this.prefixBytes < PREFIX_BYTES) return input.subarray(size);
    this.left = this.prefix.readUInt32BE(1);
    if (this.left > this.maxBytes) this.problem = 'tooLarge';
    else if (this.prefix.readUInt8(0) !== 0) this.problem = 'compressed';
    else if (this.left === 0) this.end(Buffer.alloc(0));
    return input.subarray(size);
  }

  private takeMessage(input: Buffer): Buffer {
    const piece = input.subarray(0, this.left);
    this.left -= piece.length;
    if (this.left > 0) this.pieces.push(Buffer.from(piece));
    else this.end(this.pieces.length === 0 ? piece : Buffer.concat([...this.pieces, piece]));
    return input.subarray(piece.length);
  }

  private end(message: Buffer): void {
    this.prefixBytes = 0;
    this.pieces = [];
    this.onMessage(message);
  }
}
