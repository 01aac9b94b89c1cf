/**
 * Buffers of one size that are used again and again.
 *
 * Thread: any (pure). Each thread has its own pool. The operating system provides fresh memory of
 * this size page by page, which costs more than the copy into the memory.
 */
import { copyBytes } from './copy-bytes.js';

export class BufferPool {
  private readonly free: ArrayBuffer[] = [];

  /** The pool keeps up to `keptMax` buffers of `bytes` while they are not in use. */
  constructor(
    private readonly bytes: number,
    private readonly keptMax: number,
  ) {}

  /**
   * Returns memory to write to, to be released once. Little of it is plain memory in place of a
   * buffer of the pool.
   */
  take(bytes: number): Buffer {
    if (bytes > this.bytes || bytes < this.bytes / 2) return Buffer.allocUnsafe(bytes);
    return Buffer.from(this.free.pop() ?? new ArrayBuffer(this.bytes), 0, bytes);
  }

  /** Returns a copy, to be released once. */
  copyOf(source: Uint8Array): Buffer {
    const copy = this.take(source.length);
    copyBytes(source, copy, 0);
    return copy;
  }

  /** Takes back what the pool gave, or a part of it. Nobody may read it after this. */
  release(copy: Buffer): void {
    const memory = copy.buffer;
    const isOurs = memory instanceof ArrayBuffer && memory.byteLength === this.bytes;
    if (isOurs && this.free.length < this.keptMax) this.free.push(memory);
  }
}
