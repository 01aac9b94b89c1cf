/** One lane, with workers that the test plays, under a clock that the test moves. */
import type { Logger } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AcceptorFront } from '../../../src/acceptor/acceptor-front.js';
import { allocateCache } from '../../../src/channel/cache/cache-memory.js';
import { CoordinatorControl } from '../../../src/channel/coordinator/coordinator-control.js';
import { CoordinatorStatus } from '../../../src/channel/coordinator/coordinator-status.js';
import { allocateCounters } from '../../../src/channel/counter-block.js';
import { type LaneMemory, laneStatusOf } from '../../../src/channel/lane.js';
import type { Port } from '../../../src/channel/port.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { allocateCoordinatorMemory } from '../../../src/coordinator/coordinator-setup.js';
import { counterCount } from '../../../src/observability/counters.js';
import { LaneMemories } from '../../../src/supervisor/lane-memories.js';
import { LaneSupervisor } from '../../../src/supervisor/lane-supervisor.js';
import { PluginWatch } from '../../../src/supervisor/plugin-watch.js';
import { aCoordinatorConfig } from '../../support/coordinator-rig.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeThreads, fateOf, settled } from '../../support/fake-threads.js';

const FIRST = shareConfig(aCoordinatorConfig());
const SECOND = { ...FIRST, settings: { ...FIRST.settings, epoch: 2 } };

let clock: FakeClock;
let threads: FakeThreads;
let lane: LaneSupervisor;
let status: CoordinatorStatus;
/** What the acceptor was told. */
let told: string[];
/** What it was given last. */
let attached: LaneMemory | null;
let logged: string[];
let mailed: number;
let servedAgain: number;
let mayRestart: boolean;
/** When the acceptor has let go of what it had last. */
let letGo: () => void;
let detached: Promise<void> | null;

beforeEach(() => {
  clock = new FakeClock();
  threads = new FakeThreads();
  told = [];
  attached = null;
  logged = [];
  mailed = 0;
  servedAgain = 0;
  mayRestart = true;
  letGo = () => {};
  detached = null;
  const memory = allocateCoordinatorMemory(FIRST.settings);
  status = new CoordinatorStatus(memory.status);
  const note = (what: string) => (): void => void told.push(what);
  const front = {
    attachLane: (_: number, memory: LaneMemory, doorbell: Port) => {
      told.push('attach');
      attached = memory;
      doorbell.on('message', note('doorbell'));
    },
    detachLane: () => {
      told.push('detach');
      return detached ?? Promise.resolve();
    },
    suspendLane: note('suspend'),
    resumeLane: note('resume'),
    abandonLane: note('abandon'),
  };
  const log = (_: object, message: string): void => void logged.push(message);
  const logger = { info: log, warn: log, error: log } as unknown as Logger;
  const watch = new PluginWatch({
    lanes: 1,
    logger,
    nowMs: () => 0,
    find: () => undefined,
    unixMs: () => 0,
    plugins: () => [],
  });
  lane = new LaneSupervisor({
    lane: 0,
    config: FIRST,
    clock,
    threads,
    front: front as unknown as AcceptorFront,
    memories: new LaneMemories(1),
    memory,
    control: new CoordinatorControl(memory),
    trial: new SharedArrayBuffer(8),
    counters: allocateCounters(counterCount(FIRST.settings.capacity)),
    cache: allocateCache(1, 4 * 2 ** 20),
    plugins: watch.memory,
    pluginWatch: watch,
    hashKey: [1, 2],
    logger,
    identityNotices: () => [],
    onIdentityRequest: () => {},
    onMirrorSample: () => {},
    postToCoordinator: () => {
      mailed += 1;
    },
    mayRestart: () => mayRestart,
    onServedAgain: () => {
      servedAgain += 1;
    },
  });
});

async function serve(): Promise<void> {
  const started = lane.start();
  threads.worker().ready();
  await started;
}

/** Time passes, and the worker's loop turns or does not. */
function pass(ms: number, beats: boolean): void {
  const beat = laneStatusOf(threads.worker().task.memory);
  for (let passed = 0; passed < ms; passed += 250) {
    if (beats) beat.beat();
    clock.advance(250);
  }
}

describe('a lane', () => {
  it('is served when its worker says so, and not before', async () => {
    const fate = fateOf(lane.start());
    await settled();
    expect([fate.state, told]).toEqual(['waits', []]);
    threads.worker().ready();
    await settled();
    expect([fate.state, told]).toEqual(['resolved', ['attach']]);
    expect([...lane.heldEpochs]).toEqual([1]);
    expect(mailed).toBe(1);
  });

  it('has its acceptor rung by its worker', async () => {
    await serve();
    threads.worker().task.doorbell.postMessage(0);
    expect(told).toEqual(['attach', 'doorbell']);
  });

  it('does not start with a worker that dies first, and does not try again by itself', async () => {
    const fate = fateOf(lane.start());
    threads.worker().die(new Error('no memory'));
    await settled();
    expect(fate.state).toBe('rejected: no memory');
    expect(threads.workers).toHaveLength(1);
  });

  it('stops with its worker, and gets no other', async () => {
    await serve();
    const fate = fateOf(lane.stop());
    await settled();
    expect([fate.state, threads.worker().told]).toEqual(['waits', ['stop']]);
    threads.worker().end();
    await settled();
    expect([fate.state, threads.workers.length, lane.deaths]).toEqual(['resolved', 1, 0]);
  });
});

describe('a lane whose acceptor is another', () => {
  it('gets other memory at both ends, and its worker is watched there', async () => {
    await serve();
    const before = threads.worker().task.memory;
    lane.renew();
    const [order] = threads.worker().orders;
    if (order?.type !== 'lane') throw new Error('the worker is told');
    expect(told).toEqual(['attach', 'attach']);
    expect(attached).toBe(order.memory);
    expect(order.memory).not.toBe(before);
    order.doorbell.postMessage(0);
    expect(told).toEqual(['attach', 'attach', 'doorbell']);
    for (let passed = 0; passed < 5000; passed += 250) {
      laneStatusOf(order.memory).beat();
      clock.advance(250);
    }
    expect(logged).toEqual([]);
    pass(2000, true);
    expect(logged).toEqual(['worker hangs']);
  });

  it('is left alone while it has no worker, and while its worker hangs', async () => {
    const started = lane.start();
    lane.renew();
    expect(told).toEqual([]);
    threads.worker().ready();
    await started;
    pass(3000, false);
    lane.renew();
    expect(told).toEqual(['attach', 'suspend', 'abandon']);
    expect(threads.worker().told).toEqual([]);
  });
});

describe('a worker that dies', () => {
  it('is replaced by one with memory of its own, whose generation is the next', async () => {
    await serve();
    const before = threads.worker().task.memory;
    const generation = status.generationOf(0);
    threads.worker().die();
    await settled();
    expect(told).toEqual(['attach', 'detach']);
    expect(lane.threadId).toBe(-1);
    expect(status.generationOf(0)).toBe(generation + 1);
    expect(threads.workers).toHaveLength(2);
    expect(threads.worker().task.memory.buffer).not.toBe(before.buffer);
    expect(servedAgain).toBe(0);
    threads.worker().ready();
    await settled();
    expect([told.at(-1), servedAgain, lane.deaths]).toEqual(['attach', 1, 1]);
  });

  it('is not replaced when threads die too often', async () => {
    await serve();
    mayRestart = false;
    threads.worker().die();
    await settled();
    expect(threads.workers).toHaveLength(1);
    expect(lane.heldEpochs.size).toBe(0);
  });

  it('is replaced once more when the next one does not start', async () => {
    await serve();
    for (let count = 0; count < 3; count += 1) {
      threads.worker().die();
      await settled();
    }
    expect(threads.workers).toHaveLength(4);
    threads.worker().ready();
    await settled();
    expect(servedAgain).toBe(1);
  });

  it('ends its watch: a clock that goes on finds no hang', async () => {
    await serve();
    threads.worker().die();
    await settled();
    clock.advance(60_000);
    expect(threads.terminated).toEqual([]);
    expect(clock.timerCount).toBe(0);
  });
});

describe('the memory of a lane', () => {
  const buffers = (): Set<SharedArrayBuffer> =>
    new Set(threads.workers.map(({ task }) => task.memory.buffer));

  /** The worker dies; its thread has ended some time later. */
  async function replaceWorker(): Promise<void> {
    const worker = threads.worker();
    worker.die();
    await settled();
    worker.exit();
    await settled();
    threads.worker().ready();
    await settled();
  }

  it('is that of two incarnations in turn, however many workers die', async () => {
    await serve();
    for (let deaths = 0; deaths < 40; deaths += 1) await replaceWorker();
    expect(threads.workers).toHaveLength(41);
    expect(buffers().size).toBe(2);
    const generations = threads.workers.map(({ task }) => task.memory.generation);
    expect(new Set(generations).size).toBe(41);
    expect(logged).not.toContain('memory of a lane is not used again');
  });

  it('is nobody else’s before the thread of its worker has ended', async () => {
    await serve();
    for (let deaths = 0; deaths < 3; deaths += 1) {
      threads.worker().die();
      await settled();
      threads.worker().ready();
      await settled();
    }
    expect(buffers().size).toBe(4);
    threads.workers[1]?.exit();
    await settled();
    await replaceWorker();
    expect(threads.worker().task.memory.buffer).toBe(threads.workers[1]?.task.memory.buffer);
  });

  it('is nobody else’s before its acceptor has let go of it', async () => {
    await serve();
    detached = new Promise((resolve) => {
      letGo = resolve;
    });
    await replaceWorker();
    detached = null;
    await replaceWorker();
    await replaceWorker();
    expect(buffers().size).toBe(3);
    expect(threads.worker().task.memory.buffer).not.toBe(threads.workers[0]?.task.memory.buffer);
    letGo();
    await settled();
    await replaceWorker();
    await replaceWorker();
    expect(buffers().size).toBe(3);
  });

  it('is never used again when the acceptor may have it still', async () => {
    await serve();
    detached = Promise.reject(new Error('the acceptor does not answer'));
    await replaceWorker();
    detached = null;
    for (let deaths = 0; deaths < 3; deaths += 1) await replaceWorker();
    const [first, ...others] = threads.workers.map(({ task }) => task.memory.buffer);
    expect(others).not.toContain(first);
    expect(logged).toContain('memory of a lane is not used again');
  });

  it('is used again by a worker that did not start', async () => {
    await serve();
    threads.worker().die();
    await settled();
    for (let count = 0; count < 10; count += 1) {
      const worker = threads.worker();
      worker.report({ type: 'begun', threadId: worker.threadId });
      worker.die();
      worker.exit();
      await settled();
    }
    expect(buffers().size).toBeLessThanOrEqual(3);
  });

  it('is used again when its acceptor has ended and its worker has left it', async () => {
    await serve();
    const seen = new Set([attached?.buffer]);
    const renewed: LaneMemory[] = [];
    for (let deaths = 0; deaths < 20; deaths += 1) {
      const generation = attached?.generation ?? 0;
      lane.renew();
      if (attached !== null) renewed.push(attached);
      seen.add(attached?.buffer);
      threads.worker().report({ type: 'left', generation });
      await settled();
    }
    expect(seen.size).toBe(2);
    // One that the worker does not leave is not used before its thread has ended.
    lane.renew();
    await settled();
    const kept = renewed.at(-1)?.buffer;
    for (let deaths = 0; deaths < 3; deaths += 1) {
      const generation = attached?.generation ?? 0;
      lane.renew();
      threads.worker().report({ type: 'left', generation });
      await settled();
      expect(attached?.buffer).not.toBe(kept);
    }
  });
});

describe('a worker that hangs', () => {
  it('gets no more requests and is ended within two seconds; it is given up one later', async () => {
    await serve();
    pass(10_000, true);
    expect(threads.terminated).toEqual([]);
    pass(2000, false);
    expect(told).toEqual(['attach', 'suspend']);
    expect(threads.terminated).toEqual([threads.worker().threadId]);
    pass(1000, false);
    expect(told).toEqual(['attach', 'suspend', 'abandon']);
    expect(logged).toContain('worker thread does not end; its requests are given up');
  });

  it('gets requests again when it is heard of in time', async () => {
    await serve();
    pass(1000, true);
    pass(1000, false);
    pass(2000, true);
    expect([told, threads.terminated]).toEqual([['attach', 'suspend', 'resume'], []]);
  });

  it('is not given up once it has ended', async () => {
    await serve();
    pass(2000, false);
    threads.worker().die();
    await settled();
    threads.worker().ready();
    await settled();
    pass(5000, true);
    expect(told).toEqual(['attach', 'suspend', 'detach', 'attach']);
  });

  it('does not, when it was this thread that came late', async () => {
    await serve();
    pass(1000, true);
    for (let count = 0; count < 20; count += 1) {
      clock.time.ms += 3000;
      clock.fireNext();
    }
    expect(threads.terminated).toEqual([]);
  });
});

describe('a configuration', () => {
  it('is prepared when the worker says so, and then committed', async () => {
    await serve();
    const prepared = fateOf(lane.prepare(SECOND));
    await settled();
    expect([prepared.state, threads.worker().told]).toEqual(['waits', ['prepare']]);
    threads.worker().report({ type: 'prepared', epoch: 2 });
    await settled();
    expect(prepared.state).toBe('resolved');
    const committed = fateOf(lane.commit(SECOND));
    expect(threads.worker().told).toEqual(['prepare', 'commit']);
    threads.worker().report({ type: 'committed', epoch: 2 });
    await settled();
    expect([committed.state, [...lane.heldEpochs]]).toEqual(['resolved', [1, 2]]);
    threads.worker().report({ type: 'released', epoch: 1 });
    expect([...lane.heldEpochs]).toEqual([2]);
  });

  it('is refused with the reason of the worker that cannot take it', async () => {
    await serve();
    const fate = fateOf(lane.prepare(SECOND));
    threads.worker().report({ type: 'unprepared', epoch: 2, reason: 'no such key' });
    await settled();
    expect(fate.state).toBe('rejected: no such key');
    expect(threads.terminated).toEqual([]);
  });

  it('is waited for longer than a plugin may take, and no late refusal ends the worker', async () => {
    await serve();
    const fate = fateOf(lane.prepare(SECOND));
    pass(14_750, true);
    await settled();
    expect(fate.state).toBe('waits');
    pass(250, true);
    await settled();
    expect(fate.state).toBe('rejected: the worker of lane 0 did not answer within 15 s');
    const third = { ...FIRST, settings: { ...FIRST.settings, epoch: 3 } };
    const next = fateOf(lane.prepare(third));
    threads.worker().report({ type: 'unprepared', epoch: 2, reason: 'slow' });
    await settled();
    expect([next.state, threads.terminated]).toEqual(['waits', []]);
    threads.worker().report({ type: 'prepared', epoch: 3 });
    await settled();
    expect(next.state).toBe('resolved');
  });

  it('is no reason to wait for a worker that dies, or is not there', async () => {
    await serve();
    const fate = fateOf(lane.prepare(SECOND));
    threads.worker().die();
    await settled();
    expect(fate.state).toBe('resolved');
    await lane.prepare(SECOND);
    await lane.commit(SECOND);
    expect(threads.worker().told).toEqual([]);
  });

  it('that came into force while a worker started is prepared and committed after that', async () => {
    await serve();
    threads.worker().die();
    await settled();
    await lane.commit(SECOND);
    threads.worker().ready();
    expect(threads.worker().told).toEqual(['prepare']);
    threads.worker().report({ type: 'prepared', epoch: 2 });
    expect(threads.worker().told).toEqual(['prepare', 'commit']);
    expect(lane.heldEpochs).toContain(2);
  });

  it('that a worker cannot take behind the others ends that worker', async () => {
    await serve();
    threads.worker().die();
    await settled();
    await lane.commit(SECOND);
    threads.worker().ready();
    threads.worker().report({ type: 'unprepared', epoch: 2, reason: 'gone' });
    await settled();
    expect(threads.terminated).toEqual([threads.worker().threadId]);
  });

  it('that comes into force while its worker is another one ends a worker that cannot take it', async () => {
    await serve();
    threads.worker().die();
    await settled();
    threads.worker().ready();
    const committed = fateOf(lane.commit(SECOND));
    expect(threads.worker().told).toEqual(['prepare']);
    threads.worker().report({ type: 'unprepared', epoch: 2, reason: 'gone' });
    await settled();
    expect(committed.state).toBe('rejected: gone');
    expect(threads.terminated).toEqual([threads.worker().threadId]);
  });
});

describe('another coordinator', () => {
  it('gets a new way to wake the worker, and the worker the other end', async () => {
    await serve();
    lane.onCoordinatorRestarted();
    expect(threads.worker().told).toEqual(['wakePort']);
    expect(mailed).toBe(2);
  });

  it('gets none for a lane without a worker', () => {
    lane.onCoordinatorRestarted();
    expect(mailed).toBe(0);
  });
});
