/**
 * Shared memory that a thread drops comes back, although V8 does not count it: in a process of its
 * own, which allocates nothing else that would make V8 collect.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const PIECES = 200;
const PIECE_BYTES = 2 ** 20;

/** Drops pieces one after the other, and prints how many of them are left. */
const PROGRAM = `
const { DroppedMemory } = await import(process.argv[1]);
const memory = process.argv[2] === 'told' ? new DroppedMemory() : null;
const pieces = [];
for (let count = 0; count < ${PIECES}; count += 1) {
  const piece = new SharedArrayBuffer(${PIECE_BYTES});
  pieces.push(new WeakRef(piece));
  memory?.replacedBy(piece.byteLength);
  await new Promise((resolve) => setTimeout(resolve, 1));
}
console.log(pieces.filter((piece) => piece.deref() !== undefined).length);
`;

async function piecesLeft(how: 'told' | 'not told'): Promise<number> {
  const module = new URL('../../dist/src/base/dropped-memory.js', import.meta.url).href;
  const args = ['--input-type=module', '-e', PROGRAM, module, how];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return Number(stdout);
}

it('is collected where V8 is told of it, and not else', async () => {
  expect(await piecesLeft('told')).toBeLessThan(PIECES / 2);
  expect(await piecesLeft('not told')).toBe(PIECES);
});
