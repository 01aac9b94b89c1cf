import { describe, expect, it } from 'vitest';
import { GRANT_VALID_MS } from '../../../src/channel/coordinator-records.js';
import { EpochShelf } from '../../../src/worker/epoch-shelf.js';
import { WorkerEpoch } from '../../../src/worker/worker-epoch.js';
import { aCoordinatorConfig } from '../../support/coordinator-rig.js';

function anEpoch(epoch: number, targetIndex = epoch): Promise<WorkerEpoch> {
  const { targets, ...config } = aCoordinatorConfig({ targetCounts: [1] });
  const moved = targets.map((target) => ({ ...target, index: targetIndex }));
  return WorkerEpoch.create({ ...config, targets: moved, upstreams: [], epoch });
}

describe('the epochs of a worker', () => {
  it('come into force when they are committed, in any order, and only if they were prepared', async () => {
    const shelf = new EpochShelf(await anEpoch(1));
    expect(shelf.commit(2)).toBeNull();
    shelf.prepare(await anEpoch(2));
    shelf.prepare(await anEpoch(3));
    expect(shelf.current.config.epoch).toBe(1);
    expect(shelf.commit(2)?.config.epoch).toBe(2);
    expect(shelf.commit(3)?.config.epoch).toBe(3);
    expect(shelf.commit(3)).toBeNull();
    expect(shelf.current.config.epoch).toBe(3);
  });

  it('that are refused do not pile up', async () => {
    const shelf = new EpochShelf(await anEpoch(1));
    for (const number of [2, 3, 4, 5]) shelf.prepare(await anEpoch(number));
    expect(shelf.commit(3)).toBeNull();
    expect(shelf.commit(5)).not.toBeNull();
    expect(shelf.commit(4)).toBeNull();
  });

  it('are let go when nothing that began under them is left, and grants are void', async () => {
    const first = await anEpoch(1);
    const shelf = new EpochShelf(first);
    first.exchanges = 1;
    shelf.prepare(await anEpoch(2));
    shelf.commit(2);
    expect(shelf.release(0)).toEqual([]);
    expect(shelf.release(10 * GRANT_VALID_MS)).toEqual([]);
    first.exchanges = 0;
    expect(shelf.release(20 * GRANT_VALID_MS)).toEqual([]);
    expect(shelf.release(21 * GRANT_VALID_MS)).toEqual([]);
    expect([...shelf.targetIndexes()].sort()).toEqual([1, 2]);
    expect(shelf.release(21 * GRANT_VALID_MS + 1)).toEqual([1]);
    expect(shelf.hasEarlier).toBe(false);
    expect([...shelf.targetIndexes()]).toEqual([2]);
  });
});
