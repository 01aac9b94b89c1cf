import { describe, expect, it } from 'vitest';
import { HOLD_MS_MAX, YoungGenerations } from '../../../src/supervisor/young-generations.js';
import { FakeClock } from '../../support/fake-clock.js';

const HELD = '--semi-space-growth-factor=1';
const FREE = '--semi-space-growth-factor=2';

function setUp() {
  const clock = new FakeClock();
  const flags: string[] = [];
  return { clock, flags, young: new YoungGenerations(clock, (flag) => flags.push(flag)) };
}

describe('young generations', () => {
  it('are held again and again, since each thread that begins lets them go', () => {
    const { clock, flags, young } = setUp();
    young.hold();
    clock.advance(20);
    expect(flags).toEqual(Array(5).fill(HELD));
  });

  it('grow once they are let, however often they were held', () => {
    const { clock, flags, young } = setUp();
    young.hold();
    young.hold();
    young.letGrow();
    clock.advance(HOLD_MS_MAX * 2);
    expect(flags).toEqual([HELD, HELD, FREE]);
    expect(clock.timerCount).toBe(0);
  });

  it('grow after a time when nobody lets them', () => {
    const { clock, flags, young } = setUp();
    young.hold();
    clock.advance(HOLD_MS_MAX);
    expect(flags.at(-1)).toBe(FREE);
    expect(clock.timerCount).toBe(0);
  });
});
