/**
 * Buffers of one size that are used again and again.
 *
 * Thread: any (pure). Each thread has its own pool. The operating system provides fresh memory of
 * this size page by page, which costs more than the copy into the memory.
 */
import { copyBytes, copyOfBytes } from './copy-bytes.js';

export class BufferPool {
  private readonly free: ArrayBuffer[] = [];

  /** The pool keeps up to `keptMax` buffers of `bytes` while they are not in use. */
  constructor(
    private readonly bytes: number,
    private readonly keptMax: number,
  ) {}

  /**
   * Returns a copy, to be released once. A small copy gets plain memory in place of a buffer of the
   * pool.
   */
  copyOf(source: Uint8Array): Buffer {
    const { length } = source;
    if (length > this.bytes || length < this.bytes / 2) return copyOfBytes(source);
    const memory = this.free.pop() ?? new ArrayBuffer(this.bytes);
    const copy = Buffer.from(memory, 0, length);
    copyBytes(source, copy, 0);
    return copy;
  }

  /** Takes back what copyOf() gave, or a part of it. Nobody may read the copy after this. */
  release(copy: Buffer): void {
    const memory = copy.buffer;
    const isOurs = memory instanceof ArrayBuffer && memory.byteLength === this.bytes;
    if (isOurs && this.free.length < this.keptMax) this.free.push(memory);
  }
}
