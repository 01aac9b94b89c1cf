/** What an acceptor does with the orders of its supervisor; the engine is played. */
import { expect, it } from 'vitest';
import type { AcceptorOrder, AcceptorReport } from '../../../src/acceptor/acceptor-task.js';
import type { EngineHost, ListenerHost } from '../../../src/acceptor/client-engine.js';
import type { AcceptorHost } from '../../../src/acceptor/serve-acceptor.js';
import { serveAcceptor } from '../../../src/acceptor/serve-acceptor.js';
import { AcceptorLoads, allocateLoads } from '../../../src/channel/acceptor/acceptor-loads.js';
import { allocateCounters } from '../../../src/channel/counter-block.js';
import { allocateLane } from '../../../src/channel/lane.js';
import { recordBytesOf } from '../../../src/channel/record-ring.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { counterCount } from '../../../src/observability/counters.js';
import { aCoordinatorConfig } from '../../support/coordinator-rig.js';
import { FakeEngine, NOTHING_MORE } from '../../support/fake-client.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeThreads, settled } from '../../support/fake-threads.js';
import { aListener } from '../../support/listener-settings.js';
import { recordingLogger } from '../../support/recording-logger.js';

/** Binds when the test says so. */
class SlowEngine extends FakeEngine {
  bind: () => void = () => {};

  override async open(host: ListenerHost) {
    await new Promise<void>((resolve) => {
      this.bind = resolve;
    });
    return super.open(host);
  }
}

/** An acceptor that has begun. */
function begin() {
  const config = shareConfig(aCoordinatorConfig());
  const { settings } = config;
  const engines: SlowEngine[] = [];
  const loads = allocateLoads(1);
  let order: (order: AcceptorOrder) => void = () => {};
  const reports: AcceptorReport[] = [];
  const host = {
    port: {
      on: (_: string, listener: (order: AcceptorOrder) => void) => {
        order = listener;
      },
      postMessage: (report: AcceptorReport) => void reports.push(report),
    },
    clock: new FakeClock(),
    random: () => 0,
    log: {
      logger: recordingLogger(),
      records: { thread: 'acceptor', time: () => '', write: () => {} },
      dropped: () => 0,
      isBehind: () => false,
      end: () => Promise.resolve(),
    },
    engines: {
      engineOf: () => 'wire',
      create: () => (owner: EngineHost) => {
        const engine = new SlowEngine(owner, NOTHING_MORE);
        engines.push(engine);
        return engine;
      },
    },
    osThreadId: 1,
  } as unknown as AcceptorHost;
  serveAcceptor(
    {
      ...{ name: 'acceptor', config, laneCount: 1, filesMax: 1024, acceptor: 0, acceptorCount: 1 },
      counters: allocateCounters(counterCount(settings.capacity), recordBytesOf(settings)),
      ...{ loads, addresses: null, incarnation: 0, notices: [] },
      isDraining: false,
    },
    host,
  );
  return {
    ...{ engines, reports, loads: new AcceptorLoads(loads, 0) },
    order: (next: AcceptorOrder): void => order(next),
  };
}

it('closes what it was still binding when that was not to come into force', async () => {
  const { engines, reports, order } = begin();
  const content = [aListener('a', 10)];
  order({ type: 'ask', number: 1, name: 'prepareListeners', content });
  await settled();
  order({ type: 'discardListeners' });
  engines[0]?.bind();
  await settled();
  expect(reports.map(({ type }) => type)).toEqual(['started', 'answer']);
  expect(engines[0]?.bound).toEqual([]);
  order({ type: 'ask', number: 2, name: 'close', content: null });
  await settled();
});

it('is fit while it has a worker that is not silent', async () => {
  const { engines, loads, order } = begin();
  const content = [aListener('a', 10)];
  order({ type: 'ask', number: 1, name: 'startListeners', content });
  await settled();
  engines[0]?.bind();
  await settled();
  const { port1: doorbell } = new FakeThreads().newChannel();
  const lane = 0;
  const orders = [
    { type: 'attach', lane, memory: allocateLane(1 << 12), doorbell },
    { type: 'suspend', lane },
    { type: 'resume', lane },
    { type: 'abandon', lane },
  ] as const;
  const isFit = orders.map((next) => {
    order(next);
    return loads.isServing;
  });
  expect(isFit).toEqual([true, false, true, false]);
  order({ type: 'ask', number: 2, name: 'close', content: null });
  await settled();
});
