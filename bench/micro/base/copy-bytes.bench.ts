/**
 * Question: what does it cost to copy a piece of a body into shared memory?
 *
 * Where source and target are aligned alike, and where they are not, as behind a head. The
 * alternative is the usual way, `set`.
 */
import { copyBytes } from '../../../src/base/copy-bytes.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const TARGET_AT = 4096;
/** Where a body begins behind a head: anywhere. */
const UNALIGNED_AT = 3;

type Copy = (source: Uint8Array, target: Buffer, at: number) => void;

export const bench: Bench = {
  question: 'what does a copy of 64 KiB into shared memory cost?',

  run(context) {
    const operations = context.parameter('copies', 8, 512);
    const bytes = context.parameter('bytes', 1024, 65_536);
    const set: Copy = (source, target, at) => target.set(source, at);
    const run = (copy: Copy, sourceAt: number) => copies(copy, sourceAt, bytes, operations);
    return context.measure([
      {
        name: 'copyBytes: unaligned',
        role: 'subject',
        operations,
        run: run(copyBytes, UNALIGNED_AT),
      },
      { name: 'set: unaligned', role: 'alternative', operations, run: run(set, UNALIGNED_AT) },
      { name: 'copyBytes: aligned', role: 'alternative', operations, run: run(copyBytes, 0) },
      { name: 'set: aligned', role: 'alternative', operations, run: run(set, 0) },
    ]);
  },
};

function copies(copy: Copy, sourceAt: number, bytes: number, operations: number): () => number {
  const target = Buffer.from(new SharedArrayBuffer(TARGET_AT + bytes));
  const source = Buffer.alloc(sourceAt + bytes, 'x').subarray(sourceAt);
  return () => {
    target.fill(0);
    for (let count = 0; count < operations; count += 1) copy(source, target, TARGET_AT);
    return fold(operations, target[TARGET_AT + bytes - 1] ?? 0);
  };
}
