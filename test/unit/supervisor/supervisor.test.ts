/** The supervisor of all threads, which the test plays, under a clock that the test moves. */
import type { Logger } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { LaneDispatcher } from '../../../src/acceptor/lane-dispatcher.js';
import { CoordinatorStatus } from '../../../src/channel/coordinator/coordinator-status.js';
import { laneStatusOf } from '../../../src/channel/lane.js';
import { placeConfig, rowsInUse } from '../../../src/config/shared/place-config.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import type { SharedConfig } from '../../../src/config/shared/shared-config.js';
import { Supervisor } from '../../../src/supervisor/supervisor.js';
import { aCoordinatorConfig } from '../../support/coordinator-rig.js';
import { DispatcherFront } from '../../support/dispatcher-front.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeThreads, fateOf, settled } from '../../support/fake-threads.js';

const WORKERS = 2;
const FIRST = aCoordinatorConfig({ workers: WORKERS });

const CANARY = {
  rule: {
    ...{ workers: 5, percent: 10, forMs: 60_000 },
    guard: { errorsFactor: 2, p99Factor: 2, minRequests: 50 },
  },
  onBegun: () => {},
};

let clock: FakeClock;
let threads: FakeThreads;
let supervisor: Supervisor;
let front: DispatcherFront;
let givenUp: string[];
let decided: number;
/** What had been decided when the acceptors adopted something. */
let decidedAtAdoption: number[];
const onDecided = async (): Promise<void> => {
  decided += 1;
};

beforeEach(() => {
  decided = 0;
  decidedAtAdoption = [];
  clock = new FakeClock();
  threads = new FakeThreads();
  givenUp = [];
  const log = (): void => {};
  const rule = { inFlightMax: 10, depthMax: 10, waitMsMax: 1000 };
  front = new DispatcherFront(new LaneDispatcher(WORKERS, rule, () => {}, clock), () =>
    decidedAtAdoption.push(decided),
  );
  supervisor = new Supervisor({
    first: shareConfig(FIRST),
    front,
    clock,
    random: () => 0.5,
    threads,
    logger: { info: log, warn: log, error: log } as unknown as Logger,
    onGivingUp: (reason) => givenUp.push(reason),
  });
});

async function start(): Promise<void> {
  const started = supervisor.start();
  await settled();
  new CoordinatorStatus(supervisor.coordinator.memory.status).beat(clock.nowMs());
  threads.coordinator.started();
  for (const worker of threads.workers) worker.ready();
  await started;
}

/** All workers say what they were asked for. */
async function prepared(epoch: number): Promise<void> {
  await settled();
  for (let lane = 0; lane < WORKERS; lane += 1) {
    threads.worker(lane).report({ type: 'prepared', epoch });
  }
  await settled();
}

/** Time passes, and all threads beat. */
function pass(ms: number): void {
  const { status } = supervisor.coordinator.memory;
  for (let passed = 0; passed < ms; passed += 50) {
    new CoordinatorStatus(status).beat(clock.nowMs());
    for (const { task } of threads.workers) laneStatusOf(task.memory).beat();
    clock.advance(50);
  }
}

const told = (): string[][] => [0, 1].map((lane) => threads.worker(lane).told);
const next = (): SharedConfig => {
  const version = supervisor.beginVersion();
  return placeConfig(shareConfig(FIRST), rowsInUse(version.versions), version);
};

describe('the start', () => {
  it('is over when the coordinator decides and every lane is served; a spare stands by', async () => {
    const fate = fateOf(supervisor.start());
    await settled();
    expect(threads.workers.map(({ task }) => task.lane)).toEqual([0, 1]);
    expect(supervisor.readiness).toBe('no worker');
    threads.worker(0).ready();
    threads.worker(1).ready();
    await settled();
    expect([fate.state, supervisor.readiness]).toEqual(['waits', 'no coordinator']);
    new CoordinatorStatus(supervisor.coordinator.memory.status).beat(clock.nowMs());
    threads.coordinator.started();
    await settled();
    expect([fate.state, supervisor.readiness]).toEqual(['resolved', 'ready']);
    expect(threads.spares).toBe(1);
    // It is no worker that is missing while an acceptor is replaced.
    front.hasAcceptor = false;
    expect(supervisor.readiness).toBe('no acceptor');
  });

  it('fails with a worker that cannot start', async () => {
    const fate = fateOf(supervisor.start());
    await settled();
    threads.coordinator.started();
    threads.worker(1).die(new Error('no memory'));
    await settled();
    expect(fate.state).toBe('rejected: no memory');
  });
});

describe('a swap', () => {
  it('has workers prepare, then the coordinator go on, then workers begin', async () => {
    await start();
    const fate = fateOf(supervisor.swap(next(), null, onDecided));
    await settled();
    expect(told()).toEqual([['prepare'], ['prepare']]);
    threads.worker(0).report({ type: 'prepared', epoch: 2 });
    await settled();
    expect(threads.coordinator.mail.some(({ type }) => type === 'configs')).toBe(false);
    threads.worker(1).report({ type: 'prepared', epoch: 2 });
    await settled();
    expect(threads.coordinator.mail.at(-1)?.type).toBe('configs');
    expect(told()).toEqual([['prepare'], ['prepare']]);
    threads.coordinator.say({ type: 'configured', epoch: 2 });
    await settled();
    expect(told()).toEqual([
      ['prepare', 'commit'],
      ['prepare', 'commit'],
    ]);
    expect([fate.state, supervisor.config.epoch, decided]).toEqual(['waits', 2, 0]);
    for (const lane of [0, 1]) threads.worker(lane).report({ type: 'committed', epoch: 2 });
    await settled();
    expect([fate.state, supervisor.epochs]).toEqual(['resolved', [1, 2]]);
    // Clients see other certificates with the listeners that show them, and no earlier.
    expect(decidedAtAdoption).toEqual([1]);
    for (const lane of [0, 1]) threads.worker(lane).report({ type: 'released', epoch: 1 });
    expect(supervisor.epochs).toEqual([2]);
  });

  it('with a canary lets some workers begin first, and takes it back when it must', async () => {
    await start();
    let trials = 0;
    const onBegun = (): void => {
      trials += 1;
    };
    const fate = fateOf(supervisor.swap(next(), { ...CANARY, onBegun }, onDecided));
    await prepared(2);
    // What is in force stays the last, whose word counts.
    threads.coordinator.say({ type: 'configured', epoch: 1 });
    await settled();
    expect(told()).toEqual([
      ['prepare', 'tryOut'],
      ['prepare', 'tryOut'],
    ]);
    expect([trials, fate.state, supervisor.config.epoch]).toEqual([1, 'waits', 1]);
    supervisor.trial?.abort('enough');
    await settled();
    expect([fate.state, decided]).toEqual(['rejected: the trial was ended: enough', 0]);
    expect(told().map((orders) => orders.at(-1))).toEqual(['takeBack', 'takeBack']);
    expect([supervisor.trial, supervisor.config.epoch, supervisor.epochs]).toEqual([
      null,
      1,
      [2, 1],
    ]);
    threads.worker(0).report({ type: 'released', epoch: 2 });
    expect(supervisor.epochs).toEqual([1]);
  });

  it('with a canary that a worker did not live to try is taken back', async () => {
    await start();
    const timers = clock.timerCount;
    const fate = fateOf(supervisor.swap(next(), CANARY, onDecided));
    await prepared(2);
    threads.worker(0).die();
    await settled();
    threads.worker(0).ready();
    threads.coordinator.say({ type: 'configured', epoch: 1 });
    await settled();
    expect(fate.state).toBe('rejected: a worker died that was to try it');
    expect([supervisor.config.epoch, decided, clock.timerCount]).toEqual([1, 0, timers]);
  });

  it('with a canary that was good is taken back where the coordinator cannot take it', async () => {
    await start();
    const fate = fateOf(supervisor.swap(next(), CANARY, onDecided));
    await prepared(2);
    threads.coordinator.say({ type: 'configured', epoch: 1 });
    await settled();
    pass(60_000);
    await settled();
    for (const _ of ['the first', 'the one that follows']) {
      threads.coordinator.end();
      await settled();
      threads.coordinator.started();
      await settled();
    }
    expect(fate.state).toBe('rejected: the coordinator died while it took the configuration');
    expect(told().map((orders) => orders.at(-1))).toEqual(['takeBack', 'takeBack']);
    expect([supervisor.config.epoch, decided]).toEqual([1, 0]);
  });

  it('changes nothing when a worker cannot take the configuration', async () => {
    await start();
    const fate = fateOf(supervisor.swap(next(), null, onDecided));
    await settled();
    threads.worker(0).report({ type: 'prepared', epoch: 2 });
    threads.worker(1).report({ type: 'unprepared', epoch: 2, reason: 'no such key' });
    await settled();
    expect([fate.state, decided]).toEqual(['rejected: no such key', 0]);
    expect(supervisor.config.epoch).toBe(1);
    expect(threads.coordinator.mail.some(({ type }) => type === 'configs')).toBe(false);
  });

  it('goes on with the next coordinator when one dies in the middle, and no further', async () => {
    await start();
    const fate = fateOf(supervisor.swap(next()));
    await prepared(2);
    threads.coordinator.end();
    await settled();
    threads.coordinator.started();
    await settled();
    expect(threads.coordinator.mail.at(-1)?.type).toBe('configs');
    threads.coordinator.end();
    await settled();
    expect(fate.state).toBe('rejected: the coordinator died while it took the configuration');
    expect(supervisor.config.epoch).toBe(1);
  });

  it('that the coordinator has taken comes into force without a worker that died', async () => {
    await start();
    const fate = fateOf(supervisor.swap(next()));
    await prepared(2);
    threads.worker(1).die();
    await settled();
    threads.coordinator.say({ type: 'configured', epoch: 2 });
    await settled();
    threads.worker(0).report({ type: 'committed', epoch: 2 });
    await settled();
    expect(fate.state).toBe('resolved');
    threads.worker(1).ready();
    expect(threads.worker(1).told).toEqual(['prepare']);
  });
});

describe('threads that die', () => {
  it('are started again ten times in a minute, and the eleventh ends the gateway', async () => {
    await start();
    for (let count = 0; count < 10; count += 1) {
      clock.time.ms += 1000;
      threads.worker(count % WORKERS).die();
      await settled();
      threads.worker(count % WORKERS).ready();
      await settled();
    }
    expect(givenUp).toEqual([]);
    threads.coordinator.end();
    await settled();
    expect(givenUp).toHaveLength(1);
    expect(threads.coordinators).toHaveLength(1);
  });

  it('are started again for ever when it happens seldom', async () => {
    await start();
    for (let count = 0; count < 30; count += 1) {
      clock.time.ms += 6001;
      threads.worker(0).die();
      await settled();
      threads.worker(0).ready();
      await settled();
    }
    expect(givenUp).toEqual([]);
    expect(supervisor.laneAt(0).deaths).toBe(30);
    expect(threads.spares).toBe(31);
  });

  it('have a spare in their place that is tried again while none can start, and once dead', async () => {
    await start();
    threads.spareFailure = new Error('no files');
    threads.onIdleError(new Error('heap is full'));
    for (const spares of [2, 3, 4]) {
      expect(threads.spares).toBe(spares - 1);
      clock.advance(5000);
      await settled();
      expect(threads.spares).toBe(spares);
    }
    threads.spareFailure = null;
    clock.advance(5000);
    await settled();
    clock.advance(60_000);
    await settled();
    expect(threads.spares).toBe(5);
    threads.onIdleError(new Error('heap is full'));
    void supervisor.stop();
    clock.advance(60_000);
    expect(threads.spares).toBe(5);
  });

  it('leave every worker with a new way to be woken, when the coordinator was it', async () => {
    await start();
    threads.coordinator.end();
    await settled();
    expect(told()).toEqual([['wakePort'], ['wakePort']]);
    expect(threads.coordinator.mail.map(({ type }) => type)).toEqual(['wakePort', 'wakePort']);
  });
});

describe('the end', () => {
  it('comes when every worker has stopped, then the coordinator', async () => {
    await start();
    const fate = fateOf(supervisor.stop());
    await settled();
    expect(told()).toEqual([['stop'], ['stop']]);
    for (const lane of [0, 1]) threads.worker(lane).end();
    await settled();
    expect([threads.isClosed, fate.state]).toEqual([true, 'waits']);
    threads.coordinator.end();
    await settled();
    expect([fate.state, threads.workers.length, threads.coordinators.length]).toEqual([
      'resolved',
      WORKERS,
      1,
    ]);
  });
});
