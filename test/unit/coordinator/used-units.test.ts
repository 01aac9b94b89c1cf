import { describe, expect, it } from 'vitest';
import { UsedUnits } from '../../../src/coordinator/used-units.js';

describe('what a gateway has used of a limit', () => {
  it('is counted for a window at least, and forgotten after it', () => {
    const used = new UsedUnits(100);
    used.add(3, 0);
    used.add(4, 99);
    expect([used.count(99), used.count(199), used.count(299)]).toEqual([7, 7, 0]);
  });

  it('is less when something turns out to have cost less, of the older part first', () => {
    const used = new UsedUnits(100);
    used.add(10, 0);
    used.add(10, 150);
    used.settle(8, 0, 150);
    // Were it taken off the newer part, 2 would be left where 10 may have been used.
    expect([used.count(150), used.count(299)]).toEqual([12, 10]);
    used.settle(50, 0, 299);
    expect(used.count(299)).toBe(0);
  });

  it('counts from the end on, and keeps what the store was not told', () => {
    const used = new UsedUnits(100);
    used.addUntold(10, 0);
    used.add(10, 150);
    // The one that ends is of those of which the store was told.
    used.settle(10, 4, 150);
    expect([used.count(150), used.takeUndeclared(150)]).toEqual([14, 10]);
    used.mustDeclare();
    used.settle(10, 3, 190);
    expect([used.count(190), used.takeUndeclared(190), used.count(289)]).toEqual([7, 7, 7]);
  });

  it('is told once, and not what turned out to be less before that', () => {
    const used = new UsedUnits(100);
    used.addUntold(10, 0);
    used.settle(4, 0, 50);
    expect([used.takeUndeclared(50), used.hasUntold]).toEqual([6, false]);
    used.mustDeclare();
    expect(used.takeUndeclared(60)).toBe(6);
  });
});
