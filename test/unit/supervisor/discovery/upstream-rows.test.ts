/**
 * Rows of found targets, from the main thread through the memory to a real coordinator: nobody is
 * chosen who is gone, nobody inherits what a row knew of another.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
  VERDICT_ADMITTED,
  VERDICT_NO_HEALTHY_TARGET,
} from '../../../../src/channel/coordinator/coordinator-records.js';
import { TargetLoadView } from '../../../../src/channel/coordinator/target-loads.js';
import { TargetSlotWriter } from '../../../../src/channel/coordinator/target-slots.js';
import { TARGET_OPEN } from '../../../../src/channel/coordinator/target-states.js';
import type { FoundTarget } from '../../../../src/supervisor/discovery/address-source.js';
import { QUARANTINE_MS, UpstreamRows } from '../../../../src/supervisor/discovery/upstream-rows.js';
import { aCoordinatorConfig, CoordinatorRig } from '../../../support/coordinator-rig.js';

const ROWS = [0, 1, 2, 3, 4, 5];

let rig: CoordinatorRig;
let slots: TargetSlotWriter;
let rows: UpstreamRows;
let nowMs: number;

beforeEach(() => begin());

function begin(wish: Parameters<typeof aCoordinatorConfig>[0] = {}): void {
  rig = new CoordinatorRig(aCoordinatorConfig({ targetCounts: [6], hasSlots: true, ...wish }));
  slots = new TargetSlotWriter(rig.memory.slots);
  const loads = new TargetLoadView(rig.memory.loads, rig.targets.targetCountMax, rig.status);
  rows = new UpstreamRows(slots, (row) => loads.inFlightOf(row));
  rows.adopt(ROWS, 4);
  nowMs = 1;
}

function target(at: number, parts: Partial<FoundTarget> = {}): FoundTarget {
  const host = `10.0.0.${at}`;
  return { host, port: 80, name: host, weight: 1, isBackup: false, ...parts };
}

/** These targets are found, and the coordinator hears of it. */
function find(...found: readonly (number | FoundTarget)[]): void {
  rows.apply(found.map((one) => (typeof one === 'number' ? target(one) : one)));
  tell();
}

function tell(): void {
  rig.control.tellTargets();
  rig.step(nowMs);
}

/** Asks for a target, and ends the try. Returns the host; '': there is none. */
function ask(outcome: number = OUTCOME_SUCCESS): string {
  nowMs += 1;
  const { verdict, targetIndex, ticket } = rig.ask(nowMs, { upstreamIndex: 0 });
  if (verdict !== VERDICT_ADMITTED) {
    expect(verdict).toBe(VERDICT_NO_HEALTHY_TARGET);
    return '';
  }
  const found = slots.read(targetIndex);
  rig.tell(nowMs, [targetIndex, ticket, outcome]);
  return found?.host ?? 'nobody';
}

function askAll(count = 12): string[] {
  return [...new Set(Array.from({ length: count }, () => ask()))].sort();
}

/** Lets so much time pass that rows of targets without tries are free. */
function passQuarantine(): number[] {
  rows.sweep(nowMs);
  nowMs += QUARANTINE_MS;
  return rows.sweep(nowMs);
}

function rowOf(at: number): number {
  return ROWS.find((row) => slots.read(row)?.host === `10.0.0.${at}`) ?? -1;
}

describe('rows of found targets', () => {
  it('have nobody in them at first, and then who is found', () => {
    expect(ask()).toBe('');
    find(1, 2);
    expect(askAll()).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('are chosen no more once their target is gone', () => {
    find(1, 2, 3);
    find(2, 3);
    expect(askAll()).toEqual(['10.0.0.2', '10.0.0.3']);
    find();
    expect(ask()).toBe('');
    expect(ROWS.every((row) => !rig.targets.isFree(row))).toBe(true);
  });

  it('void turns given in advance when a target comes', () => {
    find(1);
    const before = rig.worker(0).standings.serialOf(0);
    find(1, 2);
    expect(rig.worker(0).standings.serialOf(0)).not.toBe(before);
  });

  it('keep breakers of those that stay, and of those that come back in time', () => {
    find(1);
    for (let at = 0; at < 3; at += 1) ask(OUTCOME_FAILURE);
    const row = rowOf(1);
    expect(rig.targets.stateOf(row)).toBe(TARGET_OPEN);
    find(1, 2);
    expect(rig.targets.stateOf(row)).toBe(TARGET_OPEN);
    find(2);
    find(1, 2);
    expect(rowOf(1)).toBe(row);
    expect(rig.targets.stateOf(row)).toBe(TARGET_OPEN);
  });

  it('are given on after a while, and then know nothing of the one before', () => {
    find(1);
    for (let at = 0; at < 3; at += 1) ask(OUTCOME_FAILURE);
    const row = rowOf(1);
    find(2);
    expect(passQuarantine()).toEqual([row]);
    find(2, 3);
    expect(rowOf(3)).toBe(row);
    expect(askAll()).toEqual(['10.0.0.2', '10.0.0.3']);
    expect(rig.targets.opensOf(row)).toBe(0);
  });

  it('are not given on while a try is in flight', () => {
    find(1);
    const { targetIndex, ticket } = rig.ask(nowMs, { upstreamIndex: 0 });
    find(2);
    expect(passQuarantine()).toEqual([]);
    rig.tell(nowMs, [targetIndex, ticket, OUTCOME_SUCCESS]);
    expect(rows.sweep(nowMs)).toEqual([targetIndex]);
  });

  it('are not given on before the coordinator knows that the target is gone', () => {
    find(1, 2);
    rows.apply([target(2)]);
    expect(passQuarantine()).toEqual([]);
    tell();
    expect(rows.sweep(nowMs)).toEqual([]);
    nowMs += QUARANTINE_MS;
    expect(rows.sweep(nowMs)).toHaveLength(1);
  });

  it('are not shared by a try of the one before and the next one: a late tell finds nobody', () => {
    find(1);
    const row = rowOf(1);
    find(2);
    for (let at = 0; at < 3; at += 1) rig.tell(nowMs, [row, 0, OUTCOME_FAILURE]);
    expect(rig.healthChanges).toEqual([]);
    expect(askAll()).toEqual(['10.0.0.2']);
  });

  it('survive the coordinator, wherever it ends', () => {
    find(1, 2);
    rows.apply([target(2), target(3)]);
    rig.restartCoordinator();
    expect(askAll()).toEqual(['10.0.0.2', '10.0.0.3']);
    // It ended after it had cleared the row and before it said so.
    rows.apply([target(3), target(4)]);
    rig.restartCoordinator();
    rig.restartCoordinator();
    expect(askAll()).toEqual(['10.0.0.3', '10.0.0.4']);
  });

  it('are the same under another configuration', () => {
    find(1, 2);
    rig.reload(aCoordinatorConfig({ targetCounts: [6], hasSlots: true }));
    expect(askAll()).toEqual(['10.0.0.1', '10.0.0.2']);
    const others = new UpstreamRows(slots, () => 0);
    others.adopt(ROWS, 4);
    expect(others.used.map(({ host }) => host)).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('keep those in use when there are more than may be used, and say how many wait', () => {
    find(1, 2, 3, 4);
    find(5, 6, 1, 2, 3, 4);
    expect(rows.waiting).toBe(2);
    expect(askAll()).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']);
    find(5, 6, 3, 4);
    expect(askAll()).toEqual(['10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
    find(7, 8, 3, 4);
    // All rows are in use or in quarantine: the new ones wait for them.
    expect(rows.waiting).toBe(2);
    expect(passQuarantine()).toHaveLength(4);
    find(7, 8, 3, 4);
    expect(askAll()).toEqual(['10.0.0.3', '10.0.0.4', '10.0.0.7', '10.0.0.8']);
  });

  it('take weights and tiers as they change, without another owner', () => {
    begin({ loadBalancing: { policy: 'weightedRoundRobin' } });
    find(target(1, { weight: 3 }), target(2));
    const asked = Array.from({ length: 8 }, () => ask());
    expect(asked.filter((host) => host === '10.0.0.1')).toHaveLength(6);
    find(target(1, { isBackup: true }), target(2));
    expect(askAll()).toEqual(['10.0.0.2']);
  });

  it('count two names of one address once, and another name as another target', () => {
    find(target(1, { name: 'a.test' }), target(1, { name: 'b.test' }));
    expect(rows.usedCount).toBe(1);
    const row = rowOf(1);
    find(target(1, { name: 'b.test' }));
    expect(rows.used.map(({ name }) => name)).toEqual(['b.test']);
    expect(slots.read(row)?.name).toBe('a.test');
  });

  it('send the same hash to the same target as others come and go', () => {
    begin({ loadBalancing: { policy: 'consistentHash' } });
    find(1, 2, 3);
    const hostOf = (balanceHash: number): string => {
      nowMs += 1;
      const { targetIndex, ticket } = rig.ask(nowMs, { upstreamIndex: 0, balanceHash });
      rig.tell(nowMs, [targetIndex, ticket, OUTCOME_SUCCESS]);
      return slots.read(targetIndex)?.host ?? '';
    };
    const hashes = Array.from({ length: 200 }, (_, at) => at * 7919);
    const before = hashes.map(hostOf);
    find(1, 3);
    const moved = hashes.filter(
      (hash, at) => before[at] !== '10.0.0.2' && hostOf(hash) !== before[at],
    );
    expect(moved.length).toBeLessThan(20);
  });
});
