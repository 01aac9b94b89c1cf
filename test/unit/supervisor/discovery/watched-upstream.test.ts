/**
 * What is made of what a source says: sudden losses, failures, and who hears of a change.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { TargetSlotWriter } from '../../../../src/channel/coordinator/target-slots.js';
import type { CompiledDiscovery } from '../../../../src/config/compiled-discovery.js';
import type {
  FoundTarget,
  SourceListener,
} from '../../../../src/supervisor/discovery/address-source.js';
import { Discovery } from '../../../../src/supervisor/discovery/discovery.js';
import { aCoordinatorConfig, CoordinatorRig } from '../../../support/coordinator-rig.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { recordingLogger } from '../../../support/recording-logger.js';

const DISCOVERY: CompiledDiscovery = {
  source: { kind: 'file', path: 'targets.json' },
  isTls: false,
  targetsMax: 8,
  trustsLoss: false,
};

let clock: FakeClock;
let rig: CoordinatorRig;
let listeners: SourceListener[];
let calls: string[];
let logged: string[];
let discovery: Discovery;

beforeEach(() => {
  clock = new FakeClock();
  rig = new CoordinatorRig(aCoordinatorConfig({ targetCounts: [12], hasSlots: true }));
  listeners = [];
  calls = [];
  logged = [];
  discovery = new Discovery({
    slots: rig.memory.slots,
    logger: recordingLogger(({ msg }) => logged.push(msg)),
    clock,
    makeSource: (_, listener) => {
      listeners.push(listener);
      return {
        start: () => calls.push('start'),
        lookAgain: () => calls.push('again'),
        stop: () => calls.push('stop'),
      };
    },
    inFlightOf: () => 0,
    onChange: (hasLeft) => {
      calls.push(hasLeft ? 'left' : 'changed');
      rig.control.tellTargets();
      rig.step(clock.nowMs());
    },
    onFreed: (rows) => calls.push(`freed ${rows.length}`),
  });
  adopt();
});

function adopt(parts: Partial<CompiledDiscovery> = {}): void {
  const upstreams = rig.config.upstreams.map((upstream) => ({
    ...upstream,
    discovery: { ...DISCOVERY, ...parts },
  }));
  discovery.adopt({ upstreams });
}

/** The source names targets of these numbers. */
function say(...numbers: readonly number[]): void {
  listeners.at(-1)?.onTargets(numbers.map(target));
  clock.settle();
}

function target(at: number): FoundTarget {
  return { host: `10.0.0.${at}`, port: 80, name: `10.0.0.${at}`, weight: 1, isBackup: false };
}

function used(): string {
  const slots = new TargetSlotWriter(rig.memory.slots);
  const rows = rig.config.targets.map(({ index }) => index);
  const there = rows.filter((row) => rig.targets.isFree(row));
  return there
    .map((row) => slots.read(row)?.host.slice('10.0.0.'.length))
    .sort()
    .join();
}

const status = () => discovery.status()[0];

describe('a configuration that may still be refused', () => {
  it('leaves the sources of those in force, and begins those of others', () => {
    say(1, 2);
    const { upstreams } = rig.config;
    const other = { ...DISCOVERY, source: { kind: 'file', path: 'other.json' } as const };
    discovery.addNew({ upstreams: upstreams.map((one) => ({ ...one, discovery: other })) });
    expect([listeners.length, used()]).toEqual([1, '1,2']);
    discovery.addNew({
      upstreams: upstreams.map((one) => ({
        ...one,
        name: 'new',
        targetIndexes: [],
        discovery: other,
      })),
    });
    expect([listeners.length, discovery.unanswered]).toEqual([2, ['new']]);
    adopt();
    expect(discovery.status().map(({ upstream }) => upstream)).toEqual([status()?.upstream]);
    adopt(other);
    expect([listeners.length, used()]).toEqual([3, '1,2']);
  });
});

describe('targets that a source names', () => {
  it('are used, and go, as it says', () => {
    say(1, 2, 3);
    expect(used()).toBe('1,2,3');
    say(2, 3, 4);
    expect(used()).toBe('2,3,4');
    expect(calls).toEqual(['start', 'changed', 'left']);
  });

  it('stay for a while when more than half are missing, and go when that is said again', () => {
    say(1, 2, 3, 4);
    say(1);
    expect(used()).toBe('1,2,3,4');
    expect(status()).toMatchObject({ isHolding: true, targets: 4 });
    clock.advance(9_999);
    say(1);
    expect(used()).toBe('1,2,3,4');
    expect(calls).not.toContain('again');
    clock.advance(1);
    expect(calls).toContain('again');
    say(1);
    expect(used()).toBe('1');
    expect(status()).toMatchObject({ isHolding: false, targets: 1 });
  });

  it('stay when the source has them again in time', () => {
    say(1, 2, 3, 4);
    say();
    say(1, 2, 3, 4);
    clock.advance(20_000);
    expect(calls).not.toContain('again');
    expect(used()).toBe('1,2,3,4');
  });

  it('stay while the source cannot be asked again', () => {
    say(1, 2, 3, 4);
    say();
    clock.advance(10_000);
    listeners[0]?.onError('ECONNREFUSED');
    clock.advance(60_000);
    expect(used()).toBe('1,2,3,4');
    say();
    expect(used()).toBe('');
  });

  it('are added at once, though others are held back', () => {
    say(1, 2, 3, 4, 5, 6);
    say(7);
    expect(used()).toBe('1,2,3,4,5,6,7');
  });

  it('go at once where half of them are left, or others have come', () => {
    say(1, 2, 3, 4);
    say(1, 2);
    expect(used()).toBe('1,2');
    say(3, 4);
    expect(used()).toBe('3,4');
  });

  it('go at once where the configuration says so', () => {
    adopt({ trustsLoss: true });
    say(1, 2, 3, 4);
    say();
    expect(used()).toBe('');
  });

  it('stay when it fails, which is logged once', () => {
    say(1, 2);
    listeners[0]?.onError('ETIMEDOUT');
    listeners[0]?.onError('ETIMEDOUT');
    expect(used()).toBe('1,2');
    expect(status()).toMatchObject({ errors: 2, failure: 'ETIMEDOUT' });
    expect(logged.filter((msg) => msg === 'source of targets cannot be asked')).toHaveLength(1);
    say(1, 2);
    expect(status()).toMatchObject({ failure: null });
    expect(logged.at(-1)).toBe('source of targets answers again');
  });

  it('that nobody has changed are told to nobody', () => {
    say(1, 2);
    say(2, 1);
    expect(calls).toEqual(['start', 'changed']);
  });

  it('stay when another source is to be asked, until that has answered', () => {
    say(1, 2);
    adopt({ source: { kind: 'file', path: 'others.json' } });
    expect(calls).toEqual(['start', 'changed', 'stop', 'start']);
    // The one before is heard no more.
    listeners[0]?.onTargets([]);
    expect(used()).toBe('1,2');
    say(3, 4);
    expect(used()).toBe('3,4');
  });

  it('go at once when another source names fewer, but not when it names none', () => {
    say(1, 2, 3, 4);
    adopt({ source: { kind: 'file', path: 'other.json' } });
    say();
    expect(used()).toBe('1,2,3,4');
    say(5);
    expect(used()).toBe('5');
    say(5, 6, 7);
    say(5);
    expect(used()).toBe('5,6,7');
  });

  it('wait for rows, and get them once these are free', () => {
    adopt({ targetsMax: 8, trustsLoss: true });
    say(1, 2, 3, 4, 5, 6, 7, 8);
    say(11, 12, 13, 14, 15, 16, 17, 18);
    expect(status()).toMatchObject({ waiting: 4, leaving: 8 });
    clock.advance(7_000);
    expect(calls).toContain('freed 8');
    expect(used()).toBe('11,12,13,14,15,16,17,18');
    expect(status()).toMatchObject({ waiting: 0, leaving: 0 });
  });

  it('are waited for by whoever starts, and not for ever', async () => {
    const isSettled = discovery.settled(5_000);
    say(1);
    await isSettled;
    await discovery.settled(5_000);
    discovery.stop();
    expect(calls).toContain('stop');
    say(1, 2);
    expect(used()).toBe('1');
  });
});
