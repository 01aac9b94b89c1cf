/**
 * Buffers of one size that are used again and again.
 *
 * Thread: any (pure). Each thread has its own. Fresh memory of this size comes from the operating
 * system page by page, which costs more than the copy into it.
 */
import { copyBytes, copyOfBytes } from './copy-bytes.js';

export class BufferPool {
  private readonly free: ArrayBuffer[] = [];

  /** Up to `keptMax` buffers of `bytes` stay when they are not in use. */
  constructor(
    private readonly bytes: number,
    private readonly keptMax: number,
  ) {}

  /** A copy, to be released once; small ones are not worth a buffer of the pool. */
  copyOf(source: Uint8Array): Buffer {
    const { length } = source;
    if (length > this.bytes || length < this.bytes / 2) return copyOfBytes(source);
    const memory = this.free.pop() ?? new ArrayBuffer(this.bytes);
    const copy = Buffer.from(memory, 0, length);
    copyBytes(source, copy, 0);
    return copy;
  }

  /** Takes back what copyOf() gave, or a part of it; nobody may look at it any more. */
  release(copy: Buffer): void {
    const memory = copy.buffer;
    const isOurs = memory instanceof ArrayBuffer && memory.byteLength === this.bytes;
    if (isOurs && this.free.length < this.keptMax) this.free.push(memory);
  }
}
