/**
 * Watches the messages of one direction of a call go by, without touching them.
 *
 *     flag (1) │ length (4, big endian) │ message                      any number of these
 *
 * Thread: any (pure). Keeps no bytes: five numbers a direction, wherever the stream is cut.
 */

const PREFIX_BYTES = 5;

export class MessageScanner {
  /** Messages that have begun. */
  count = 0;
  /** The length of the largest one, as announced. */
  largest = 0;
  private prefixBytes = 0;
  private length = 0;
  private left = 0;

  /** False: one of them is longer than `maxBytes`. */
  scan(bytes: Uint8Array, maxBytes: number): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.left > 0) {
        const step = Math.min(this.left, bytes.length - at);
        this.left -= step;
        at += step;
        continue;
      }
      if (this.prefixBytes > 0) this.length = this.length * 256 + (bytes[at] ?? 0);
      this.prefixBytes += 1;
      at += 1;
      if (this.prefixBytes < PREFIX_BYTES) continue;
      if (!this.begin(maxBytes)) return false;
    }
    return true;
  }

  private begin(maxBytes: number): boolean {
    this.count += 1;
    this.left = this.length;
    this.largest = Math.max(this.largest, this.length);
    this.length = 0;
    this.prefixBytes = 0;
    return this.left <= maxBytes;
  }

  /** The stream is in the midst of a message, or of what stands before one. */
  get isPartial(): boolean {
    return this.left > 0 || this.prefixBytes > 0;
  }
}

/** A message with what stands before it. */
export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX_BYTES);
  return framed;
}
