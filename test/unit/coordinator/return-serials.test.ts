import { expect, it } from 'vitest';
import {
  ReturnSerials,
  returnSerialsBytes,
} from '../../../src/coordinator/state/return-serials.js';

it('notes each return once, also where serials wrap and when a lane begins anew', () => {
  const serials = new ReturnSerials(new ArrayBuffer(returnSerialsBytes(2)));
  const note = (generation: number, serial: number): boolean =>
    serials.note(1, generation, serial | 0);
  expect([note(3, 1), note(3, 1), note(3, 2 ** 31 - 1)]).toEqual([true, false, true]);
  expect([note(3, 2 ** 31), note(3, 2 ** 31), note(3, 2 ** 31 - 1)]).toEqual([true, false, false]);
  expect([note(3, 2 ** 32 - 1), note(3, 2 ** 32), note(3, 2 ** 32)]).toEqual([true, true, false]);
  expect([note(2, 9), note(4, 1), note(3, 2 ** 32 + 1)]).toEqual([false, true, false]);
});
