import { describe, expect, it } from 'vitest';
import { ConnectionCaps, type ConnectionCensus } from '../../../src/acceptor/connection-caps.js';

class Rig {
  nowMs = 0;
  /** What the kernel would say. */
  readonly standing = new Map<string, number>();
  censuses = 0;
  readonly full: string[] = [];
  readonly errors: unknown[] = [];
  readonly caps: ConnectionCaps;

  constructor(connectionsMax: number, perAddressMax: number, census?: ConnectionCensus | null) {
    const honest = async (): Promise<ReadonlyMap<string, number>> => {
      this.censuses++;
      return new Map(this.standing);
    };
    this.caps = new ConnectionCaps({
      rule: { connectionsMax, perAddressMax, isExempt: (address) => address === '9.9.9.9' },
      nowMs: () => this.nowMs,
      onAddressFull: (network) => this.full.push(network),
      onError: (error) => this.errors.push(error),
    });
    this.caps.useCensus(census === undefined ? honest : census);
  }

  open(address: string): boolean {
    const isTaken = this.caps.onOpened(address, false);
    if (isTaken) this.standing.set(address, (this.standing.get(address) ?? 0) + 1);
    else this.caps.onClosed('');
    return isTaken;
  }

  close(address: string): void {
    this.standing.set(address, (this.standing.get(address) ?? 0) - 1);
    this.caps.onClosed('');
  }

  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.nowMs += 100_000;
  }
}

describe('connections in all', () => {
  it('are as many as the cap, and one more when one has closed', () => {
    const rig = new Rig(3, 100);
    expect([1, 2, 3, 4].map((at) => rig.open(`1.1.1.${at}`))).toEqual([true, true, true, false]);
    expect(rig.caps).toMatchObject({ open: 3, refusedInAll: 1, refusedOfAddress: 0 });
    rig.close('1.1.1.1');
    expect(rig.open('1.1.1.5')).toBe(true);
  });
});

describe('connections of one address', () => {
  it('are as many as the cap, whatever others have', async () => {
    const rig = new Rig(100, 4);
    for (let count = 1; count <= 4; count++) expect(rig.open('1.1.1.1')).toBe(true);
    expect(rig.open('1.1.1.1')).toBe(false);
    expect(rig.open('1.1.1.2')).toBe(true);
    await rig.settle();
    expect(rig.open('1.1.1.1')).toBe(false);
    expect(rig.full).toEqual(['1.1.1.1']);
    expect(rig.caps.refusedOfAddress).toBe(2);
  });

  it('that have closed make room, as the kernel says', async () => {
    const rig = new Rig(1000, 4);
    for (let round = 0; round < 50; round++) {
      expect(rig.open('1.1.1.1')).toBe(true);
      rig.close('1.1.1.1');
      await rig.settle();
    }
    expect(rig.censuses).toBeGreaterThan(0);
    expect(rig.censuses).toBeLessThan(50);
  });

  it('opened while the kernel was asked are not forgotten', async () => {
    let tell: (found: ReadonlyMap<string, number>) => void = () => {};
    const rig = new Rig(1000, 4, () => new Promise((resolve) => (tell = resolve)));
    for (let count = 1; count <= 4; count++) rig.open('1.1.1.1');
    tell(new Map([['1.1.1.1', 3]]));
    await rig.settle();
    // Three stand, and the fourth was opened since: the cap is reached.
    expect(rig.open('1.1.1.1')).toBe(false);
  });

  it('count by /64 where it is IPv6', () => {
    const rig = new Rig(100, 2);
    expect(rig.open('2001:db8::1')).toBe(true);
    expect(rig.open('2001:db8::2')).toBe(true);
    expect(rig.open('2001:db8::3')).toBe(false);
    expect(rig.open('2001:db8:0:1::1')).toBe(true);
  });

  it('are not counted where many clients come through it, or nobody knows them', () => {
    const rig = new Rig(100, 2);
    for (let count = 0; count < 10; count++) expect(rig.open('9.9.9.9')).toBe(true);
    const blind = new Rig(100, 2, null);
    for (let count = 0; count < 10; count++) expect(blind.open('1.1.1.1')).toBe(true);
  });

  it('stay capped when the kernel does not answer', async () => {
    const rig = new Rig(100, 2, () => Promise.reject(new Error('no such file')));
    for (let count = 0; count < 2; count++) rig.open('1.1.1.1');
    await rig.settle();
    expect(rig.open('1.1.1.1')).toBe(false);
    expect(rig.errors).toHaveLength(1);
  });

  it('from ever new addresses do not fill the memory', async () => {
    const rig = new Rig(10, 4);
    for (let count = 0; count < 1000; count++) {
      const address = `1.1.${count >> 8}.${count & 255}`;
      rig.open(address);
      rig.close(address);
      if (rig.standing.get(address) === 0) rig.standing.delete(address);
      if (count % 10 === 0) await rig.settle();
    }
    const { counts } = rig.caps as unknown as { counts: ReadonlyMap<string, number> };
    expect(counts.size).toBeLessThan(40);
  });
});
