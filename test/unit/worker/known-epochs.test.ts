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
});
