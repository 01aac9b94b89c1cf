/** Bodies that come too slowly, where the engine has a time of its own for silence. */
import { expect, it } from 'vitest';
import { UploadPace } from '../../../src/acceptor/upload-pace.js';

const RULE = { bytesMin: 720, isSilenceSeen: true };

/** At which look a body is refused that brings `bytes` before each; -1: at none. */
function refusedAt(bytes: readonly number[]): number {
  const pace = new UploadPace();
  let received = 0;
  return bytes.findIndex((came) => {
    received += came;
    return pace.isTooSlow(true, received, RULE);
  });
}

it('a byte now and then is as slow as a byte at each look', () => {
  const silence = new Array<number>(19).fill(0);
  expect(refusedAt(new Array<number>(12).fill(1))).toBe(9);
  expect(refusedAt([1, ...silence, 1])).toBe(20);
  expect(refusedAt([1, 0, 0, 0, 0, 0, 0, 0, 0, 1])).toBe(9);
});

it('silence alone is left to the engine, and who goes on in time is not too slow', () => {
  const silence = new Array<number>(19).fill(0);
  expect(refusedAt([...silence, 1, 720, 0, 0, 0, 0, 0, 0, 0, 0, 719, 0, 0, 720])).toBe(-1);
});
