/**
 * Copies bytes where one side of the copy is shared memory.
 *
 * Thread: any (pure). `set` moves shared memory word by word, and byte by byte where source and
 * destination are aligned differently, which is up to fourteen times slower than a plain copy.
 * `fill` with a source of exactly the range's length is one plain copy (node_buffer.cc, Fill). Both
 * ends of a ring make sure that nobody else touches the range during the copy, so the copy need not
 * use atomic words.
 */

/**
 * Below this size the call into native code costs more than it saves. The bench
 * micro/base/copy-bytes watches the limit.
 */
const NATIVE_BYTES_MIN = 256;

/** Copies all of `source` into `target`, from its byte `at` on. */
export function copyBytes(source: Uint8Array, target: Buffer, at: number): void {
  const { length } = source;
  if (length < NATIVE_BYTES_MIN) target.set(source, at);
  else target.fill(source, at, at + length);
}

/** Returns a copy in memory of its own. */
export function copyOfBytes(source: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(source.length);
  copyBytes(source, copy, 0);
  return copy;
}
