import { expect, it } from 'vitest';
import {
  allocateStoreMemory,
  StoreAnswerer,
  StoreAsker,
} from '../../../src/channel/store/store-channel.js';
import { STORE_LOST, STORE_UP } from '../../../src/channel/store/store-status.js';
import { ClusterLimits } from '../../../src/coordinator/cluster-limits.js';
import { aClusterLimiter } from '../../support/cluster-node.js';
import { aCoordinatorConfig } from '../../support/coordinator-rig.js';
import { servedOf } from '../../support/served-config.js';

it('tells what was admitted without the store, whatever became of the last ask', () => {
  const memory = allocateStoreMemory(new SharedArrayBuffer(4096));
  const store = new StoreAsker(memory);
  const answerer = new StoreAnswerer(memory);
  store.setWakePort({ postMessage: () => {} });
  let nowMs = 1000;
  const limits = new ClusterLimits({ store, timeoutMs: 50, nodesMin: 1, unixMs: () => nowMs });
  const limiters = [aClusterLimiter({ limit: 5, windowMs: 60_000, onStoreLost: 'open' }, 0)];
  limits.adopt(servedOf(aCoordinatorConfig({ limiters })).limiters);
  answerer.status.setState(STORE_UP);
  limits.onTick(nowMs);
  limits.awaits(0, 1, 1, nowMs);
  // The store's thread ends with this ask, and another one has the admission after that.
  expect(answerer.nextTake()).toMatchObject({ needed: 1, declared: 0 });
  answerer.status.setState(STORE_LOST);
  limits.noteUntold(limits.leaseFor(0, 1, 1), nowMs);
  nowMs += 500;
  answerer.status.setState(STORE_UP);
  limits.onTick(nowMs);
  expect(answerer.nextTake()).toMatchObject({ needed: 0, declared: 1 });
});
