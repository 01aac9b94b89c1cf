/** What acceptors tell each other of addresses: never too little, and seldom too much. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AddressCounts,
  allocateAddressCounts,
} from '../../../../src/channel/acceptor/address-counts.js';

const KEY = [0x1234_5678, -77] as const;

function cells(count: number, connections: number): AddressCounts[] {
  const memory = allocateAddressCounts(count, connections, KEY);
  return Array.from({ length: count }, (_, place) => new AddressCounts(memory, place));
}

const addressOf = (at: number): string => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`;

function at<T>(list: readonly T[], place: number): T {
  const found = list[place];
  if (found === undefined) throw new Error(`there is no ${place}`);
  return found;
}

describe('connections of an address at other acceptors', () => {
  it('are those of all others, and not those of the one that asks', () => {
    const all = cells(3, 100);
    expect(at(all, 0).raise('1.1.1.1')).toBe(0);
    expect(at(all, 0).raise('1.1.1.1')).toBe(0);
    expect(at(all, 1).raise('1.1.1.1')).toBe(2);
    expect(at(all, 2).ofOthers('1.1.1.1')).toBe(3);
    expect(at(all, 2).ofOthers('2001:db8:0:1::/64')).toBe(0);
    at(all, 0).lower('1.1.1.1');
    expect(at(all, 2).ofOthers('1.1.1.1')).toBe(2);
  });

  it('are gone with the thread that had them', () => {
    const all = cells(2, 100);
    for (let count = 0; count < 500; count++) at(all, 0).raise(addressOf(count));
    at(all, 1).raise('1.1.1.1');
    at(all, 0).clear();
    for (let count = 0; count < 500; count++) {
      expect(at(all, 1).ofOthers(addressOf(count))).toBe(0);
    }
    expect(at(all, 0).ofOthers('1.1.1.1')).toBe(1);
  });

  it('are never too few, whatever opens, closes and dies', () => {
    const event = fc.record({
      cell: fc.nat(2),
      address: fc.nat(3000),
      what: fc.constantFrom('open', 'open', 'open', 'close', 'die'),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 400 }), (events) => {
        const all = cells(3, 1);
        const open = all.map(() => new Map<string, number>());
        for (const { cell, address, what } of events) {
          const [counts, own, text] = [at(all, cell), at(open, cell), addressOf(address)];
          const count = own.get(text) ?? 0;
          if (what === 'die') {
            counts.clear();
            own.clear();
          } else if (what === 'open') {
            counts.raise(text);
            own.set(text, count + 1);
          } else if (count > 0) {
            counts.lower(text);
            own.set(text, count - 1);
          }
          const others = open.reduce((sum, one) => sum + (one.get(text) ?? 0), 0);
          const truth = others - (own.get(text) ?? 0);
          if (counts.ofOthers(text) < truth) throw new Error(`${text} has ${truth} elsewhere`);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are too many for fewer than one of a thousand addresses under a full load', () => {
    const [one, other] = cells(2, 8192);
    if (one === undefined || other === undefined) throw new Error('two of them');
    for (let count = 0; count < 2700; count++) one.raise(addressOf(count));
    let tooMany = 0;
    for (let count = 0; count < 10_000; count++) {
      if (other.ofOthers(addressOf(100_000 + count)) > 0) tooMany += 1;
    }
    expect(tooMany).toBeLessThan(10);
    // All of another address at one acceptor are no matter for anybody else.
    for (let count = 0; count < 5000; count++) one.raise('9.9.9.9');
    expect(other.ofOthers('9.9.9.8')).toBe(0);
    expect(other.ofOthers('9.9.9.9')).toBe(5000);
  });

  it('come back to nothing when everything has closed', () => {
    const [one, other] = cells(2, 1);
    for (const step of ['raise', 'lower'] as const) {
      for (let count = 0; count < 5000; count++) one?.[step](addressOf(count));
    }
    for (let count = 0; count < 5000; count++) expect(other?.ofOthers(addressOf(count))).toBe(0);
  });
});
