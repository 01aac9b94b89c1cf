/** What is written into the status of objects of the Gateway API, and what is left alone. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KubeJson, listAt, recordAt } from '../../../../src/config/kubernetes/kube-json.js';
import type { ObjectStatus } from '../../../../src/config/kubernetes-settings.js';
import { mergedStatus } from '../../../../src/supervisor/kubernetes/gateway-status-merge.js';
import { GatewayStatusWriter } from '../../../../src/supervisor/kubernetes/gateway-status-writer.js';
import { eventually } from '../../../support/eventually.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { FakeKubeApi } from '../../../support/fake-kube-api.js';

const OWN = 'sluice.dev/gateway-controller';
const NOW = '2026-11-30T00:00:00Z';
const BEFORE = '2026-01-01T00:00:00Z';

function condition(type: string, status: string, parts: KubeJson = {}): KubeJson {
  return { type, status, reason: 'R', message: '', observedGeneration: 1, ...parts };
}

function parent(controllerName: string, conditions: readonly KubeJson[], name = 'gw'): KubeJson {
  return { parentRef: { name }, controllerName, conditions };
}

function wanted(kind: ObjectStatus['kind'], status: KubeJson): ObjectStatus {
  const place = { namespace: 'shop', name: 'web', uid: 'uid-web' };
  return { ...place, controller: OWN, kind, generation: 1, status };
}

function timed(one: KubeJson, lastTransitionTime = BEFORE): KubeJson {
  return { ...one, lastTransitionTime };
}

describe('a status', () => {
  const accepted = condition('Accepted', 'True');
  const theirs = parent('x.example/y', [timed(condition('Accepted', 'False'))]);

  it('that stands there already is not written', () => {
    const own = wanted('httproutes', { parents: [parent(OWN, [accepted])] });
    const object = { status: { parents: [theirs, parent(OWN, [timed(accepted)])] } };
    expect(mergedStatus(own, object, NOW)).toBeNull();
  });

  it('keeps the parents of others, and drops its own that are no more', () => {
    const own = wanted('httproutes', { parents: [parent(OWN, [accepted])] });
    const gone = parent(OWN, [timed(accepted)], 'gone');
    expect(mergedStatus(own, { status: { parents: [gone, theirs] } }, NOW)).toEqual({
      parents: [theirs, parent(OWN, [timed(accepted, NOW)])],
    });
    const none = wanted('httproutes', { parents: [] });
    expect(mergedStatus(none, { status: { parents: [gone, theirs] } }, NOW)).toEqual({
      parents: [theirs],
    });
    expect(mergedStatus(none, { status: { parents: [theirs] } }, NOW)).toBeNull();
    expect(mergedStatus(none, {}, NOW)).toBeNull();
  });

  it('has another time only where a condition changes its status', () => {
    const conditions = [accepted, condition('Programmed', 'True', { observedGeneration: 2 })];
    const there = [
      timed(condition('Accepted', 'False')),
      timed(condition('Programmed', 'True')),
      timed(condition('PartiallyInvalid', 'True')),
      timed(condition('example.com/Theirs', 'True')),
    ];
    expect(
      mergedStatus(wanted('gateways', { conditions }), { status: { conditions: there } }, NOW),
    ).toEqual({
      conditions: [
        timed(accepted, NOW),
        timed(condition('Programmed', 'True', { observedGeneration: 2 })),
        timed(condition('example.com/Theirs', 'True')),
      ],
    });
  });

  it('of listeners goes by their names', () => {
    const listener = (name: string, conditions: readonly KubeJson[]) => ({ name, conditions });
    const status = {
      conditions: [],
      listeners: [listener('b', [accepted]), listener('a', [accepted])],
    };
    const object = { status: { listeners: [listener('a', [timed(accepted)])] } };
    expect(mergedStatus(wanted('gateways', status), object, NOW)).toMatchObject({
      listeners: [listener('b', [timed(accepted, NOW)]), listener('a', [timed(accepted, BEFORE)])],
    });
  });
});

describe('the writer', () => {
  let api: FakeKubeApi;
  let clock: FakeClock;
  let writer: GatewayStatusWriter;
  let told: string[];
  const status = wanted('httproutes', { parents: [parent(OWN, [condition('Accepted', 'True')])] });

  beforeEach(async () => {
    api = await FakeKubeApi.start();
    clock = new FakeClock();
    told = [];
    api.put('httproutes', { metadata: { name: 'web', uid: 'uid-web' }, spec: {} });
    writer = new GatewayStatusWriter({
      clock,
      access: async () => ({ url: api.url, headers: {}, namespace: 'shop' }),
      objectAt: (kind, place) => api.find(kind as ObjectStatus['kind'], place.split('/')[1] ?? ''),
      log: (_level, _fields, message) => told.push(message),
    });
  });

  afterEach(async () => {
    writer.stop();
    await api.stop();
  });

  const written = (): KubeJson[] => {
    const object = api.find('httproutes', 'web') ?? {};
    return [...listAt(recordAt(object, 'status'), 'parents')];
  };
  const patches = (): number => api.asked.filter((path) => path.endsWith('/status')).length;

  it('writes once', async () => {
    writer.write([status]);
    await eventually('it is written', () => written().length === 1);
    writer.look();
    writer.write([status]);
    expect(patches()).toBe(1);
  });

  it('says nothing of another version of the object, nor of another object', async () => {
    writer.write([
      { ...status, generation: 2 },
      { ...status, uid: 'other' },
    ]);
    writer.write([status]);
    await eventually('what is meant is written', () => written().length === 1);
    expect(patches()).toBe(1);
  });

  it('tries again after a conflict', async () => {
    api.conflicts = 1;
    writer.write([status]);
    await eventually('it waits', () => clock.timerCount > 0);
    expect(written()).toEqual([]);
    clock.advance(1000);
    await eventually('it is written', () => written().length === 1);
    expect(told).toEqual([]);
  });

  it('tells of a cluster that cannot be written to, once, and tries again', async () => {
    api.failNext = 500;
    writer.write([status]);
    await eventually('it is told', () => told.length === 1);
    await eventually('it waits', () => clock.timerCount > 0);
    clock.advance(15_000);
    await eventually('it is written', () => written().length === 1);
    expect(told).toHaveLength(1);
  });

  it('tells once what stays forbidden, and anew of what fails when all was written', async () => {
    api.put('gateways', { metadata: { name: 'web', uid: 'uid-web' }, spec: {} });
    api.forbidden.add('gateways');
    const conditions = [condition('Accepted', 'True')];
    const nextRound = async (): Promise<void> => {
      const before = patches();
      clock.advance(15_000);
      await eventually('it is tried again', () => patches() > before && clock.timerCount > 0);
    };
    writer.write([wanted('gateways', { conditions }), status]);
    await eventually('it waits', () => clock.timerCount > 0);
    await nextRound();
    expect([written().length, told.length]).toEqual([1, 1]);
    api.forbidden.clear();
    clock.advance(15_000);
    const gateway = (): KubeJson => recordAt(api.find('gateways', 'web') ?? {}, 'status');
    await eventually('all is written', () => listAt(gateway(), 'conditions').length === 1);
    api.failNext = 500;
    writer.write([wanted('gateways', { conditions: [condition('Accepted', 'False')] })]);
    await eventually('it is told again', () => told.length === 2);
  });

  it('does not fight over a status that somebody else writes back at once', async () => {
    writer.write([status]);
    await eventually('it is written', () => written().length === 1);
    for (let round = 0; round < 20; round += 1) {
      const object = api.find('httproutes', 'web');
      if (object === undefined) throw new Error('the route is there');
      api.put('httproutes', { ...object, status: { parents: [] } });
      writer.look();
    }
    await eventually('it waits', () => clock.timerCount > 0);
    expect(patches()).toBe(1);
    clock.advance(15_000);
    await eventually('it is written again', () => written().length === 1);
  });
});
