import { describe, expect, it } from 'vitest';
import { SharedProofs } from '../../../../src/supervisor/proofs/shared-proofs.js';
import { StoreLostError } from '../../../../src/supervisor/store-supervisor.js';

const NOW = 1_800_000_000;
const clock = { unixMs: () => NOW * 1000 };

/** As all gateways see it. */
class FakeStore {
  readonly used = new Set<string>();
  readonly commands: string[] = [];
  isLost = false;

  keyOf(area: string, name: string): string {
    return `sluice:${area}:${name}`;
  }

  async run(command: readonly (string | number)[]) {
    this.commands.push(command.join(' '));
    if (this.isLost) throw new StoreLostError('the store is lost');
    const name = String(command[1]);
    if (this.used.has(name)) return null;
    this.used.add(name);
    return 'OK';
  }
}

describe('a proof', () => {
  it('works at one of the gateways that share the store, and is kept as long as it could be', async () => {
    const store = new FakeStore();
    const [one, other] = [new SharedProofs(store, clock), new SharedProofs(store, clock)];
    expect(await one.use('a', NOW + 60, 'store')).toBe('first');
    expect(await one.use('a', NOW + 60, 'store')).toBe('again');
    expect(await other.use('a', NOW + 60, 'store')).toBe('again');
    expect(await other.use('b', NOW + 60, 'store')).toBe('first');
    expect(store.commands[0]).toBe('SET sluice:proofs:a 1 PX 90000 NX');
  });

  it('works at each gateway where nobody wants more, and asks the store nothing', async () => {
    const store = new FakeStore();
    const [one, other] = [new SharedProofs(store, clock), new SharedProofs(store, clock)];
    expect(await one.use('a', NOW + 60, 'gateway')).toBe('first');
    expect(await other.use('a', NOW + 60, 'gateway')).toBe('first');
    expect(await other.use('a', NOW + 60, 'gateway')).toBe('again');
    expect(store.commands).toEqual([]);
  });

  it('is not believed without the store, nor later when that is back', async () => {
    const store = new FakeStore();
    store.isLost = true;
    const one = new SharedProofs(store, clock);
    expect(await one.use('a', NOW + 60, 'store')).toBe('unknown');
    store.isLost = false;
    expect(await one.use('a', NOW + 60, 'store')).toBe('again');
    expect(await new SharedProofs(null, clock).use('a', NOW + 60, 'store')).toBe('unknown');
  });
});
