/**
 * Caps of connections over several acceptors: whatever opens, closes and dies, what is admitted is
 * never above a cap, and nobody is refused while there is room.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionCaps, type ConnectionRule } from '../../../src/acceptor/connection-caps.js';
import { AcceptorLoads, allocateLoads } from '../../../src/channel/acceptor/acceptor-loads.js';
import {
  AddressCounts,
  allocateAddressCounts,
} from '../../../src/channel/acceptor/address-counts.js';

const ACCEPTORS = 3;

/** One acceptor, whose thread may die. */
class Cell {
  caps: ConnectionCaps;
  readonly admitted: string[] = [];
  readonly full: string[] = [];

  constructor(
    private readonly world: World,
    private readonly loads: AcceptorLoads,
    private readonly addresses: AddressCounts,
  ) {
    this.caps = this.start();
  }

  private start(): ConnectionCaps {
    const { loads, addresses, world } = this;
    return new ConnectionCaps({
      ...{ rule: world.rule, loads, addresses, nowMs: () => 0 },
      onAddressFull: (network) => this.full.push(network),
      onError: (error) => {
        throw error;
      },
    });
  }

  open(address: string): boolean {
    const isTaken = this.caps.onOpened(address, true);
    if (isTaken) this.admitted.push(address);
    else this.caps.onClosed(address);
    return isTaken;
  }

  close(place: number): void {
    const [address] = this.admitted.splice(place % Math.max(1, this.admitted.length), 1);
    if (address !== undefined) this.caps.onClosed(address);
  }

  /** As its supervisor does it: the part is cleared, and then another thread begins. */
  die(): void {
    this.loads.clear();
    this.addresses.clear();
    this.admitted.length = 0;
    this.caps = this.start();
  }
}

class World {
  readonly cells: readonly Cell[];

  constructor(public rule: ConnectionRule) {
    const loads = allocateLoads(ACCEPTORS);
    const addresses = allocateAddressCounts(ACCEPTORS, rule.connectionsMax, [5, 6]);
    this.cells = Array.from(
      { length: ACCEPTORS },
      (_, at) => new Cell(this, new AcceptorLoads(loads, at), new AddressCounts(addresses, at)),
    );
  }

  cell(place: number): Cell {
    const cell = this.cells[place];
    if (cell === undefined) throw new Error(`no cell ${place}`);
    return cell;
  }

  adopt(rule: ConnectionRule): void {
    this.rule = rule;
    for (const { caps } of this.cells) caps.adopt(rule);
  }

  /** All that stand, or those of one address. */
  standing(address?: string): number {
    const all = this.cells.flatMap(({ admitted }) => admitted);
    return address === undefined ? all.length : all.filter((one) => one === address).length;
  }
}

function ruleOf(connectionsMax: number, perAddressMax: number): ConnectionRule {
  return { connectionsMax, perAddressMax, isExempt: () => false };
}

const EVENT = fc.record({
  cell: fc.nat(ACCEPTORS - 1),
  address: fc.nat(5),
  what: fc.oneof(
    { weight: 6, arbitrary: fc.constant('open') },
    { weight: 3, arbitrary: fc.constant('close') },
    { weight: 1, arbitrary: fc.constant('die') },
  ),
});

describe('connections of several acceptors', () => {
  it('are admitted exactly while there is room, in any order of events', () => {
    fc.assert(
      fc.property(fc.array(EVENT, { maxLength: 300 }), (events) => {
        const world = new World(ruleOf(12, 4));
        for (const { cell, address, what } of events) {
          const at = world.cell(cell);
          const text = `1.1.1.${address}`;
          if (what === 'die') at.die();
          else if (what === 'close') at.close(address);
          else {
            const hasRoom = world.standing() < 12 && world.standing(text) < 4;
            expect(at.open(text)).toBe(hasRoom);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('of an address may all stand at one acceptor', () => {
    const world = new World(ruleOf(100, 10));
    for (let count = 0; count < 10; count++) expect(world.cell(0).open('1.1.1.1')).toBe(true);
    expect(world.cells.map((cell) => cell.open('1.1.1.1'))).toEqual([false, false, false]);
    expect(world.cell(2).open('1.1.1.2')).toBe(true);
    world.cell(0).die();
    for (let count = 0; count < 10; count++) expect(world.cell(1).open('1.1.1.1')).toBe(true);
    expect(world.cell(0).open('1.1.1.1')).toBe(false);
  });

  it('above a cap that a reload has lowered stay, and no others come until they are fewer', () => {
    const world = new World(ruleOf(100, 6));
    for (let count = 0; count < 6; count++) world.cell(count % 2).open('1.1.1.1');
    world.adopt(ruleOf(100, 3));
    expect(world.standing()).toBe(6);
    for (let count = 0; count < 3; count++) {
      expect(world.cell(2).open('1.1.1.1')).toBe(false);
      world.cell(0).close(0);
    }
    expect(world.cell(2).open('1.1.1.1')).toBe(false);
    world.cell(1).close(0);
    expect(world.cell(2).open('1.1.1.1')).toBe(true);
  });

  it('that refuse an address again and again tell of it once, until it has become calm', () => {
    const world = new World(ruleOf(100, 4));
    for (let count = 0; count < 4; count++) world.cell(0).open('1.1.1.1');
    for (let count = 0; count < 3; count++) world.cell(1).open('1.1.1.1');
    expect(world.cell(1).full).toEqual(['1.1.1.1']);
    for (let count = 0; count < 4; count++) world.cell(0).close(0);
    expect(world.cell(1).open('1.1.1.1')).toBe(true);
    world.cell(1).close(0);
    for (let count = 0; count < 4; count++) world.cell(0).open('1.1.1.1');
    world.cell(1).open('1.1.1.1');
    expect(world.cell(1).full).toEqual(['1.1.1.1', '1.1.1.1']);
  });

  it('come from thousands of addresses, and are counted to the last one', () => {
    const world = new World(ruleOf(10_000, 2));
    const standing = new Map<string, number>();
    for (let count = 0; count < 10_000; count++) {
      const address = `10.0.${(count >> 1) >> 8}.${(count >> 1) & 255}`;
      if (!world.cell(count % ACCEPTORS).open(address)) continue;
      standing.set(address, (standing.get(address) ?? 0) + 1);
    }
    // Each has all that it may have, and counters are shared by chance: see address-counts.ts.
    expect(world.standing()).toBeGreaterThan(9990);
    expect([...standing.values()].every((count) => count <= 2)).toBe(true);
    for (let count = 0; count < 5000; count += 500) {
      expect(world.cell(1).open(`10.0.${count >> 8}.${count & 255}`)).toBe(false);
    }
  });
});
