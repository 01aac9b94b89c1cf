import { expect, it } from 'vitest';
import { FileShortage } from '../../../src/acceptor/file-shortage.js';

it('lets go of connections until a file can be opened, and of no more', () => {
  let open = 100;
  let nowMs = 0;
  let freeFiles = 0;
  const letGo: number[] = [];
  let told = 0;
  const files = new FileShortage({
    nowMs: () => nowMs,
    hasFreeFile: () => freeFiles > 0,
    openConnections: () => open,
    letGo: (count) => void letGo.push(count),
    onShortage: () => {
      told += 1;
    },
  });
  files.look();
  expect([letGo, files.connectionsMax, told]).toEqual([[16], 92, 1]);
  // Requests are under way on all of them.
  files.look();
  expect([letGo, files.connectionsMax, told]).toEqual([[16, 32], 76, 1]);
  open = 52;
  freeFiles = 48;
  nowMs = 59_000;
  files.look();
  expect([letGo.length, files.connectionsMax]).toEqual([2, 76]);
  nowMs = 60_000;
  files.look();
  expect(files.connectionsMax).toBe(Number.POSITIVE_INFINITY);
  freeFiles = 0;
  open = 3;
  for (let looks = 0; looks < 20; looks++) files.look();
  expect([letGo[2], letGo.at(-1), files.connectionsMax, told]).toEqual([16, 4096, 1, 2]);
});
