import { expect, it } from 'vitest';
import { TAKEN_DECIDED, type TakenFields } from '../../../src/channel/store/store-records.js';
import { KeyMemory } from '../../../src/coordinator/key-memory.js';

const ANSWER: TakenFields = {
  ...{ generation: 1, serial: 1, outcome: TAKEN_DECIDED, units: 0, left: 0, stamp: 0 },
  ...{ waitUs: 0, resetUs: 0, validUs: 0, epoch: 1, used: 0, atUs: 0 },
};

it('knows the last answer, also of a store whose clock has gone back', () => {
  const memory = new KeyMemory();
  const tellAt = (nowMs: number) => memory.recall({ unitsPerMs: 1 }, nowMs);
  memory.see({ ...ANSWER, used: 9000, atUs: 5000 }, 1000);
  // Another one has overtaken this one.
  memory.see({ ...ANSWER, used: 50, atUs: 4000 }, 1010);
  expect(tellAt(1010)).toMatchObject({ used: 8990, atUs: 5000 });
  for (const nowMs of [2000, 3000, 4000]) {
    memory.see({ ...ANSWER, used: 9500, atUs: nowMs - 1000 }, nowMs);
  }
  expect(tellAt(4000)).toMatchObject({ used: 9500, atUs: 3000 });
});
