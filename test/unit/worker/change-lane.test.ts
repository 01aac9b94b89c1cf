/** A worker whose acceptor is another: what it had in flight is over, and all else goes on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_FIELDS } from '../../../src/base/field-block.js';
import { LimitCountsView } from '../../../src/channel/coordinator/limit-counts.js';
import { TargetLoadView } from '../../../src/channel/coordinator/target-loads.js';
import { compileConfig } from '../../support/compile-config.js';
import { aConfig } from '../../support/configs.js';
import { WorkerRig } from '../../support/worker-rig.js';

const CONFIG = aConfig(['http://127.0.0.1:1'], {
  route: { rateLimit: { maxInFlight: 3, key: 'route' } },
  top: { workers: 1 },
}) as never;
const { capacity, targets, limiters } = compileConfig(CONFIG);
const [TARGET = -1] = targets.map(({ index }) => index);
const [LIMITER = -1] = limiters.map(({ index }) => index);

let rig: WorkerRig;

beforeEach(async () => {
  rig = await WorkerRig.create(CONFIG);
});

afterEach(() => rig.close());

const trackedKeys = (): number =>
  new LimitCountsView(rig.coordinator.memory.limitCounts).read(LIMITER).trackedKeys;
const atTarget = (): number =>
  new TargetLoadView(
    rig.coordinator.memory.loads,
    capacity.targets,
    rig.coordinator.status,
  ).inFlightOf(TARGET);

describe('a worker that gets another lane', () => {
  it('ends everything as if every client had left, and gives back what was taken', () => {
    const waiting = rig.request();
    const begun = rig.request();
    rig.lastTry.head(200, 10, NO_FIELDS);
    rig.lastTry.data('half');
    rig.settle();
    const uploading = rig.request({ method: 'POST', bodyBytes: 100_000 });
    uploading.send('part', false);
    rig.settle();
    expect([rig.inFlight, atTarget(), trackedKeys()]).toEqual([3, 3, 1]);
    expect(begun.body).toBe('half');
    rig.changeLane();
    expect([rig.inFlight, atTarget(), trackedKeys()]).toEqual([0, 0, 0]);
    expect(rig.tries.map(({ isAborted }) => isAborted)).toEqual([true, true, true]);
    expect([waiting.isWaiting, begun.body, rig.errors]).toEqual([true, 'half', []]);
  });

  it('serves the next requests, which have the numbers of those before', () => {
    rig.request();
    const [old] = rig.tries;
    rig.changeLane();
    const client = rig.request();
    old?.fail(new Error('late'));
    rig.settle();
    expect(client.isWaiting).toBe(true);
    rig.lastTry.head(200, 3, NO_FIELDS);
    rig.lastTry.data('new', true);
    rig.settle();
    expect([client.status, client.body, client.isEnded]).toEqual([200, 'new', true]);
    expect([rig.inFlight, rig.errors]).toEqual([0, []]);
  });

  it('takes a lane in the place of another any number of times, also with nothing in flight', () => {
    for (let round = 0; round < 5; round += 1) {
      rig.changeLane();
      const client = rig.request();
      rig.lastTry.head(200, 2, NO_FIELDS);
      rig.lastTry.data('ok', true);
      rig.settle();
      expect(client.body).toBe('ok');
    }
    expect(rig.errors).toEqual([]);
  });
});
