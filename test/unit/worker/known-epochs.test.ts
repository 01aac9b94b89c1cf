import { describe, expect, it } from 'vitest';
import { GRANT_VALID_MS } from '../../../src/channel/coordinator/coordinator-records.js';
import { KnownEpochs } from '../../../src/worker/known-epochs.js';
import { WorkerEpoch } from '../../../src/worker/worker-epoch.js';
import { aCoordinatorConfig } from '../../support/coordinator-rig.js';
import { servedOf } from '../../support/served-config.js';

function anEpoch(epoch: number, targetIndex = epoch): Promise<WorkerEpoch> {
  const { targets, ...config } = aCoordinatorConfig({ targetCounts: [1] });
  const moved = targets.map((target) => ({ ...target, index: targetIndex }));
  const nobody = { acquire: async () => [], release: async () => {} };
  const next = servedOf({ ...config, targets: moved, upstreams: [], epoch });
  return WorkerEpoch.create(next, nobody, () => 0);
}

describe('the epochs of a worker', () => {
  it('come into force when they are committed, in any order, and only if they were prepared', async () => {
    const epochs = new KnownEpochs(await anEpoch(1));
    expect(epochs.commit(2)).toBeNull();
    epochs.prepare(await anEpoch(2));
    epochs.prepare(await anEpoch(3));
    expect(epochs.current.config.epoch).toBe(1);
    expect(epochs.commit(2)?.config.epoch).toBe(2);
    expect(epochs.commit(3)?.config.epoch).toBe(3);
    expect(epochs.commit(3)).toBeNull();
    expect(epochs.current.config.epoch).toBe(3);
  });

  it('that are refused do not pile up', async () => {
    const epochs = new KnownEpochs(await anEpoch(1));
    for (const number of [2, 3, 4, 5]) epochs.prepare(await anEpoch(number));
    expect(epochs.commit(3)).toBeNull();
    expect(epochs.commit(5)).not.toBeNull();
    expect(epochs.commit(4)).toBeNull();
  });

  it('are let go when nothing that began under them is left, and grants are void', async () => {
    const first = await anEpoch(1);
    const epochs = new KnownEpochs(first);
    first.exchanges = 1;
    epochs.prepare(await anEpoch(2));
    epochs.commit(2);
    expect(epochs.release(0)).toEqual([]);
    expect(epochs.release(10 * GRANT_VALID_MS)).toEqual([]);
    first.exchanges = 0;
    expect(epochs.release(20 * GRANT_VALID_MS)).toEqual([]);
    expect(epochs.release(21 * GRANT_VALID_MS)).toEqual([]);
    expect([...epochs.targetIndexes()].sort()).toEqual([1, 2]);
    expect(epochs.release(21 * GRANT_VALID_MS + 1)).toEqual([1]);
    expect(epochs.hasEarlier).toBe(false);
    expect([...epochs.targetIndexes()]).toEqual([2]);
  });

  it('are given back once they are of no more use, also those that never came into force', async () => {
    const gone: number[] = [];
    const epochs = new KnownEpochs(await anEpoch(1), ({ config }) => gone.push(config.epoch));
    for (const number of [2, 3, 4]) epochs.prepare(await anEpoch(number));
    expect(gone).toEqual([2]);
    epochs.commit(4);
    expect(gone).toEqual([2, 3]);
    epochs.release(0);
    epochs.release(GRANT_VALID_MS + 1);
    expect(gone).toEqual([2, 3, 1]);
  });

  it('on trial get their share of the requests, evenly', async () => {
    const epochs = new KnownEpochs(await anEpoch(1));
    expect(epochs.tryOut(2, 10)).toBeNull();
    epochs.prepare(await anEpoch(2));
    expect(epochs.tryOut(2, 30)?.config.epoch).toBe(2);
    const given = Array.from({ length: 20 }, () => epochs.next().config.epoch);
    expect(given.filter((epoch) => epoch === 2)).toHaveLength(6);
    expect(new Set(given.slice(0, 4))).toEqual(new Set([1, 2]));
    expect(epochs.current.config.epoch).toBe(1);
    expect(epochs.commit(2)?.config.epoch).toBe(2);
    expect(epochs.next().config.epoch).toBe(2);
  });

  it('on trial keep their targets when an earlier one goes', async () => {
    const epochs = new KnownEpochs(await anEpoch(1));
    epochs.prepare(await anEpoch(2));
    epochs.commit(2);
    epochs.prepare(await anEpoch(3));
    epochs.tryOut(3, 10);
    epochs.release(0);
    expect(epochs.release(GRANT_VALID_MS + 1)).toEqual([1]);
    expect([...epochs.targetIndexes()].sort()).toEqual([2, 3]);
  });

  it('that are taken back end with their last request, and never come into force', async () => {
    const gone: number[] = [];
    const epochs = new KnownEpochs(await anEpoch(1), ({ config }) => gone.push(config.epoch));
    const second = await anEpoch(2);
    epochs.prepare(second);
    expect(epochs.takeBack()).toBe(false);
    epochs.tryOut(2, 100);
    expect(epochs.next()).toBe(second);
    second.exchanges = 1;
    expect(epochs.takeBack()).toBe(true);
    expect(epochs.next().config.epoch).toBe(1);
    expect(epochs.commit(2)).toBeNull();
    expect([...epochs.targetIndexes()].sort()).toEqual([1, 2]);
    epochs.release(10 * GRANT_VALID_MS);
    expect(gone).toEqual([]);
    second.exchanges = 0;
    epochs.release(20 * GRANT_VALID_MS);
    expect(epochs.release(21 * GRANT_VALID_MS + 1)).toEqual([2]);
    expect([gone, epochs.current.config.epoch]).toEqual([[2], 1]);
  });
});
