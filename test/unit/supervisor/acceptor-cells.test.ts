/** Acceptors in threads that the test plays, under a clock that the test moves. */
import { existsSync, readlinkSync } from 'node:fs';
import type { Logger } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AcceptorReading } from '../../../src/acceptor/acceptor-task.js';
import type { ListenerAddress } from '../../../src/base/listener-address.js';
import { AcceptorLoads } from '../../../src/channel/acceptor/acceptor-loads.js';
import { allocateLane } from '../../../src/channel/lane.js';
import type { ListenerSettings } from '../../../src/config/listener-settings.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import type { SharedConfig } from '../../../src/config/shared/shared-config.js';
import { openFilesMax } from '../../../src/observability/kernel-facts.js';
import { AcceptorCells } from '../../../src/supervisor/acceptor-cells.js';
import { aCoordinatorConfig } from '../../support/coordinator-rig.js';
import { eventually } from '../../support/eventually.js';
import { FakeClock } from '../../support/fake-clock.js';
import { type FakeAcceptor, FakeThreads, fateOf, settled } from '../../support/fake-threads.js';

let clock: FakeClock;
let threads: FakeThreads;
let cells: AcceptorCells;
let first: SharedConfig;
let logged: string[];
let lost: (readonly number[])[];
let mayRestart: boolean;

function make(acceptors: number, workers: number, sharesPorts = true): void {
  const config = aCoordinatorConfig({ workers });
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0, reusePort: false } as const;
  const listeners = config.listeners.map((one) => ({ ...one, address }));
  const machine = { ...config.machine, sharesPorts };
  first = shareConfig({ ...config, acceptors, listeners, machine });
  const log = (_: object, message: string): void => void logged.push(message);
  const logger = { info: log, warn: log, error: log } as unknown as Logger;
  cells = new AcceptorCells({ first, clock, threads, logger });
}

beforeEach(() => {
  clock = new FakeClock();
  threads = new FakeThreads();
  logged = [];
  lost = [];
  mayRestart = true;
  make(1, 2);
});

/** Sockets of several acceptors are real. */
afterEach(() => cells.stopListening());

const owner = {
  mayRestart: () => mayRestart,
  onAllDying: () => void logged.push('all die'),
  onLanesLost: (lanes: readonly number[]) => void lost.push(lanes),
};

function reading(port: number, refused = 0): AcceptorReading {
  return {
    acceptor: {
      ...{ isServing: true, osThreadId: 1, inFlight: 0, requests: 9, movedRequests: refused },
      connections: { open: 0, taken: 5, refusedInAll: refused, refusedOfAddress: 0 },
      ...{ deaths: 0, lostConnections: 0, isResting: false },
    },
    lanes: [],
    listeners: first.settings.listeners.map(({ name }) => ({
      ...{ name, host: 'any', engine: 'wire', port, openConnections: 0, refusedConnections: 0 },
      ...{ http2Connections: 1, http2Streams: 3 },
      turnedAway: [['a wrong PROXY header', 1]] as const,
      mistakes: [['a flood of pings', 1]] as const,
      handshakes: [['done', port]] as const,
    })),
  };
}

async function begin(): Promise<void> {
  const begun = cells.begin(owner);
  for (const thread of threads.acceptors) thread.started();
  await begun;
}

async function listen(port = 4711): Promise<void> {
  const listening = cells.startListeners(first.settings.listeners);
  for (const place of threads.acceptors.keys()) {
    await settled();
    threads.acceptor(place).answer('startListeners', reading(port));
  }
  await listening;
}

const loadsOf = (thread: FakeAcceptor): AcceptorLoads =>
  new AcceptorLoads(thread.task.loads, thread.task.acceptor);

function attach(lane: number): void {
  cells.attachLane(lane, allocateLane(1 << 12), threads.newChannel().port1);
}

describe('an acceptor in a thread', () => {
  it('begins when its thread says so, and not with one that dies first', async () => {
    const fate = fateOf(cells.begin(owner));
    await settled();
    expect(fate.state).toBe('waits');
    threads.acceptor().end(new Error('no memory'));
    await settled();
    expect([fate.state, threads.acceptors.length]).toEqual(['rejected: no memory', 1]);
  });

  it('says why it cannot listen, as a sentence for the operator', async () => {
    await begin();
    const fate = fateOf(cells.startListeners(first.settings.listeners));
    await settled();
    threads.acceptor().refuse('startListeners', 'the address is in use', true);
    await settled();
    expect(fate.state).toBe('rejected: the address is in use');
  });

  it('serves its lanes while its thread runs', async () => {
    await begin();
    attach(0);
    attach(1);
    cells.suspendLane(1);
    // Its worker may be heard of again: whoever asks whether the gateway is ready hears yes.
    expect([cells.attendedLanes, cells.idleCells]).toEqual([2, 0]);
    cells.resumeLane(1);
    cells.suspendLane(1);
    void cells.detachLane(1);
    expect(cells.attendedLanes).toBe(1);
    cells.abandonLane(0);
    expect([cells.attendedLanes, cells.idleCells]).toEqual([0, 1]);
    const orders = ['attach', 'attach', 'suspend', 'resume', 'suspend', 'detach', 'abandon'];
    expect(threads.acceptor().told).toEqual(orders);
  });

  it('has let go of a lane when it says so, or has ended, and not when it is silent', async () => {
    await begin();
    attach(0);
    attach(1);
    const [first, second] = [fateOf(cells.detachLane(0)), fateOf(cells.detachLane(1))];
    await settled();
    expect([first.state, second.state]).toEqual(['waits', 'waits']);
    threads.acceptor().answer('detach', null);
    await settled();
    expect([first.state, second.state]).toEqual(['waits', 'resolved']);
    threads.acceptor().end();
    await settled();
    expect(first.state).toBe('resolved');
    threads.acceptor().started();
    const third = fateOf(cells.detachLane(0));
    for (let passed = 0; passed < 60_000; passed += 250) {
      loadsOf(threads.acceptor()).beat();
      clock.advance(250);
    }
    await settled();
    expect(third.state).toBe('rejected: acceptor did not answer within 60 s');
  });

  it('is ended when it beats no more', async () => {
    await begin();
    for (let passed = 0; passed < 5000; passed += 250) {
      loadsOf(threads.acceptor()).beat();
      clock.advance(250);
    }
    expect(threads.acceptor().isTerminated).toBe(false);
    for (let passed = 0; passed < 2000; passed += 250) clock.advance(250);
    expect(threads.acceptor().isTerminated).toBe(true);
    expect(logged).toEqual(['acceptor hangs']);
  });
});

describe('an acceptor whose thread dies', () => {
  it('gets another one with the same port, after its lanes and what it must know', async () => {
    await begin();
    await listen();
    const notice = { kind: 'acme', answers: new Map() } as const;
    cells.tell(notice);
    loadsOf(threads.acceptor()).setOpen(3);
    threads.acceptor().end();
    await settled();
    expect(lost).toEqual([[0, 1]]);
    const next = threads.acceptor();
    expect(next.task).toMatchObject({ incarnation: 1, notices: [notice] });
    const [ask] = next.orders;
    if (ask?.type !== 'ask') throw new Error('it is asked to listen');
    expect(ask).toMatchObject({ name: 'startListeners' });
    expect(ask.content).toMatchObject([{ address: { port: 4711 } }]);
    const [figures] = cells.acceptorFigures();
    expect(figures).toMatchObject({ deaths: 1, lostConnections: 3, connections: { open: 0 } });
  });

  it('goes on counting where the thread before has stopped', async () => {
    await begin();
    await listen();
    const refreshed = cells.refresh();
    threads.acceptor().answer('figures', reading(4711, 5));
    await refreshed;
    threads.acceptor().end();
    threads.acceptor().started();
    const again = cells.refresh();
    threads.acceptor().answer('figures', reading(4711, 2));
    await again;
    const [figures] = cells.acceptorFigures();
    expect(figures).toMatchObject({ connections: { refusedInAll: 7 }, movedRequests: 7 });
  });

  it('tries again where the address is not free yet, and not for ever', async () => {
    await begin();
    await listen();
    threads.acceptor().end();
    const next = threads.acceptor();
    next.started();
    next.refuse('startListeners', 'in use', true);
    await settled();
    clock.advance(50);
    await settled();
    expect(next.told).toEqual(['startListeners', 'startListeners']);
    for (let tries = 0; tries < 200 && !next.isTerminated; tries += 1) {
      next.refuse('startListeners', 'in use', true);
      loadsOf(next).beat();
      await settled();
      clock.advance(50);
      await settled();
    }
    expect(next.isTerminated).toBe(true);
    expect(logged).toContain('acceptor cannot listen again');
  });

  it('gets no other when threads die too often, or when it is to stop', async () => {
    await begin();
    expect(cells.hasAcceptor).toBe(true);
    mayRestart = false;
    threads.acceptor().end();
    expect(threads.acceptors).toHaveLength(1);
    expect(cells.attendedLanes).toBe(0);
    expect(cells.hasAcceptor).toBe(false);
  });

  it('has cut off what was in flight where it was about to stop', async () => {
    await begin();
    cells.stopListening();
    const empty = cells.whenEmpty(1000);
    loadsOf(threads.acceptor()).setInFlight(1);
    threads.acceptor().end();
    expect(await empty).toBe(false);
    expect(threads.acceptors).toHaveLength(1);
  });

  it('cuts off nothing where nothing was in flight, or it was gone before', async () => {
    await begin();
    cells.stopListening();
    const empty = cells.whenEmpty(1000);
    threads.acceptor().end();
    expect([await empty, await cells.whenEmpty(1000)]).toEqual([true, true]);
  });
});

describe('a configuration that comes into force', () => {
  it('is prepared, and then adopted', async () => {
    await begin();
    await listen();
    const prepared = cells.prepareListeners(first.settings.listeners);
    await settled();
    threads.acceptor().answer('prepareListeners', reading(4711));
    await prepared;
    const adopted = cells.adopt(first);
    await settled();
    threads.acceptor().answer('adopt', reading(4711));
    await adopted;
    expect(threads.acceptor().told).toEqual(['startListeners', 'prepareListeners', 'adopt']);
  });

  it('is prepared anew where an acceptor has begun to listen again meanwhile', async () => {
    await begin();
    await listen();
    threads.acceptor().end();
    const next = threads.acceptor();
    next.started();
    next.refuse('startListeners', 'in use', true);
    await settled();
    const prepared = cells.prepareListeners(first.settings.listeners);
    await settled();
    next.answer('prepareListeners', reading(4711));
    await prepared;
    clock.advance(50);
    await settled();
    next.answer('startListeners', reading(4711));
    await settled();
    const adopted = cells.adopt(first);
    await settled();
    expect(next.told.slice(-2)).toEqual(['startListeners', 'prepareListeners']);
    next.answer('prepareListeners', reading(4711));
    await settled();
    next.answer('adopt', reading(4711));
    await adopted;
  });

  it('is prepared by the successor of an acceptor that dies meanwhile, and refused by its own', async () => {
    await begin();
    await listen();
    const prepared = fateOf(cells.prepareListeners(first.settings.listeners));
    await settled();
    threads.acceptor().end();
    threads.acceptor().started();
    await settled();
    expect(prepared.state).toBe('waits');
    threads.acceptor().answer('prepareListeners', reading(4711));
    await settled();
    expect(prepared.state).toBe('resolved');
    const again = fateOf(cells.prepareListeners(first.settings.listeners));
    await settled();
    for (let death = 0; death < 2; death++) {
      threads.acceptor().end();
      threads.acceptor().started();
      await settled();
    }
    expect(again.state).toBe('rejected: acceptor died before it answered');
  });

  it('replaces an acceptor that cannot take it, and never fails', async () => {
    await begin();
    await listen();
    const adopted = fateOf(cells.adopt(first));
    await settled();
    threads.acceptor().refuse('prepareListeners', 'no');
    await settled();
    expect([adopted.state, threads.acceptor().isTerminated]).toEqual(['resolved', true]);
    expect(logged).toEqual(['acceptor could not take the configuration']);
  });

  it('gives another port to a listener that comes again under the name of one that is gone', async () => {
    await begin();
    await listen();
    const listeners = first.settings.listeners.map((one) => ({ ...one, name: 'other' }));
    const read = reading(5000);
    const renamed = {
      ...read,
      listeners: read.listeners.map((one) => ({ ...one, name: 'other' })),
    };
    const reloaded = cells.prepareListeners(listeners);
    await settled();
    threads.acceptor().answer('prepareListeners', renamed);
    await reloaded;
    const adopted = cells.adopt({ ...first, settings: { ...first.settings, listeners } });
    await settled();
    threads.acceptor().answer('adopt', renamed);
    await adopted;
    threads.acceptor().end();
    threads.acceptor().started();
    threads.acceptor().answer('startListeners', renamed);
    await settled();
    const prepared = cells.prepareListeners(first.settings.listeners);
    await settled();
    const ask = threads.acceptor().orders.at(-1);
    if (ask?.type !== 'ask') throw new Error('it is asked to listen');
    expect(ask.content).toMatchObject([{ address: { port: 0 } }]);
    threads.acceptor().answer('prepareListeners', reading(5001));
    await prepared;
  });

  it('is no matter for an acceptor that dies of it: the next one begins with it', async () => {
    await begin();
    await listen();
    const next = { ...first, settings: { ...first.settings, epoch: 2 } };
    const adopted = fateOf(cells.adopt(next));
    threads.acceptor().end();
    await settled();
    expect(adopted.state).toBe('resolved');
    expect(threads.acceptor().task.config.settings.epoch).toBe(2);
  });
});

describe('two acceptors', () => {
  beforeEach(() => make(2, 5));

  it('have every second lane each, by their own numbers', async () => {
    await begin();
    for (const lane of [0, 1, 2, 3, 4]) attach(lane);
    const lanesOf = (place: number) =>
      threads.acceptor(place).orders.map((order) => order.type === 'attach' && order.lane);
    expect([lanesOf(0), lanesOf(1)]).toEqual([
      [0, 1, 2],
      [0, 1],
    ]);
    expect(threads.acceptors.map(({ task }) => task.laneCount)).toEqual([3, 2]);
    threads.acceptor(1).end();
    expect(lost).toEqual([[1, 3]]);
    const filesMax = openFilesMax();
    expect(threads.acceptors.map(({ task }) => task.filesMax)).toEqual(
      [0, 1, 2].map(() => filesMax),
    );
  });

  function addressesAsked(): (ListenerAddress | undefined)[] {
    return [0, 1].map((place) => {
      const [order] = threads.acceptor(place).orders;
      if (order?.type !== 'ask') throw new Error('it is asked to listen');
      return (order.content as readonly ListenerSettings[])[0]?.address;
    });
  }

  it('are idle where the acceptor or all its workers are away', async () => {
    await begin();
    expect(cells.idleCells).toBe(2);
    for (const lane of [0, 1, 2, 3]) attach(lane);
    expect(cells.idleCells).toBe(0);
    cells.abandonLane(1);
    expect(cells.idleCells).toBe(0);
    void cells.detachLane(3);
    expect(cells.idleCells).toBe(1);
    threads.acceptor(0).end();
    expect([cells.idleCells, cells.hasAcceptor]).toEqual([2, true]);
  });

  it('listen at one socket where Node cannot share ports', async () => {
    make(2, 5, false);
    await begin();
    await listen();
    const [one, other] = addressesAsked();
    expect(other).toMatchObject({ port: 4711, reusePort: false });
    expect(one?.descriptor).toBeGreaterThan(2);
    expect(other?.descriptor).toBe(one?.descriptor);
  });

  it('have the port of the first, and go by what both have open', async () => {
    await begin();
    await listen();
    const [, second] = addressesAsked();
    expect(second).toMatchObject({ port: 4711, reusePort: true });
    expect(second?.descriptor).toBeUndefined();
    const [one, other] = threads.acceptors.map(loadsOf);
    expect(one?.setOpen(3)).toBe(3);
    expect(other?.setOpen(4)).toBe(7);
    one?.setInFlight(2);
    other?.setInFlight(1);
    expect(one?.allInFlight).toBe(3);
    threads.acceptor(0).end();
    expect(other?.setOpen(4)).toBe(4);
    expect(cells.inFlight).toBe(1);
  });

  it('close no socket that one which begins again may still copy', async () => {
    make(2, 5, false);
    await begin();
    await listen(5);
    threads.acceptor(1).end();
    const next = threads.acceptor(1);
    next.started();
    await settled();
    const ask = next.orders.find((order) => order.type === 'ask');
    const [listener] = (ask?.content ?? []) as SharedConfig['settings']['listeners'];
    const path = `/proc/self/fd/${listener?.address.descriptor}`;
    const socket = readlinkSync(path);
    cells.stopListening();
    await settled();
    expect(readlinkSync(path)).toBe(socket);
    next.answer('startListeners', reading(5));
    await eventually('it is closed', () => !existsSync(path) || readlinkSync(path) !== socket);
  });

  it('close no socket that one may still copy which has not answered in time', async () => {
    make(2, 5, false);
    await begin();
    await listen(5);
    const fate = fateOf(cells.prepareListeners(first.settings.listeners));
    await settled();
    for (let passed = 0; passed < 31_000; passed += 200) {
      for (const thread of threads.acceptors) loadsOf(thread).beat();
      clock.advance(200);
    }
    await settled();
    expect(fate.state).toMatch(/^rejected: .* did not answer within 30 s$/);
    const ask = threads.acceptor(0).orders.find((order) => order.type === 'ask');
    const [listener] = (ask?.content ?? []) as SharedConfig['settings']['listeners'];
    const path = `/proc/self/fd/${listener?.address.descriptor}`;
    const socket = readlinkSync(path);
    cells.stopListening();
    await settled();
    expect(readlinkSync(path)).toBe(socket);
    threads.acceptor(0).answer('prepareListeners', reading(5));
    await eventually('it is closed', () => !existsSync(path) || readlinkSync(path) !== socket);
  });

  it('show a listener once, with what all have counted of it', async () => {
    await begin();
    await listen(5);
    const [listener, ...others] = cells.listenerFigures();
    expect(others).toEqual([]);
    expect(listener).toMatchObject({ port: 5, handshakes: [['done', 10]] });
  });
});

describe('one of two acceptors that dies again and again', () => {
  beforeEach(async () => {
    make(2, 4);
    await begin();
    await listen();
    for (const lane of [0, 1, 2, 3]) attach(lane);
  });

  function die(place: number, times: number): void {
    for (let count = 0; count < times; count++) {
      threads.acceptor(place).end();
      if (count < times - 1) threads.acceptor(place).started();
    }
  }

  it('rests, and begins again with all that it must have', async () => {
    die(1, 6);
    const resting = threads.acceptor(1);
    expect(logged.at(-1)).toBe('acceptor dies again and again: its place rests');
    expect([cells.restingAcceptors, cells.idleCells, cells.hasAcceptor]).toEqual([1, 1, true]);
    expect(cells.acceptorFigures().map(({ isResting }) => isResting)).toEqual([false, true]);
    lost = [];
    clock.advance(1000);
    expect(cells.restingAcceptors).toBe(0);
    expect(lost).toEqual([[1, 3]]);
    const next = threads.acceptor(1);
    expect(next).not.toBe(resting);
    next.started();
    await settled();
    expect(next.told).toEqual(['startListeners']);
  });

  it('ends by its workers what was in flight when its rest begins', () => {
    die(1, 5);
    lost = [];
    threads.acceptor(1).started();
    threads.acceptor(1).end();
    expect(lost).toEqual([[1, 3]]);
  });

  it.each([0, 1])('keeps no configuration from the other one: %i', async (place) => {
    die(place, 6);
    const other = threads.acceptor(1 - place);
    const next = { ...first, settings: { ...first.settings, epoch: 2 } };
    const prepared = cells.prepareListeners(next.settings.listeners);
    await settled();
    other.answer('prepareListeners', reading(4712));
    await prepared;
    const adopted = cells.adopt(next);
    await settled();
    other.answer('adopt', reading(4712));
    await adopted;
    expect(cells.listenerFigures()[0]?.port).toBe(4712);
    clock.advance(1000);
    expect(threads.acceptor(place).task.config.settings.epoch).toBe(2);
  });

  it('takes the gateway along when the other one does, too', () => {
    die(1, 6);
    die(0, 5);
    expect(logged).not.toContain('all die');
    threads.acceptor(0).started();
    threads.acceptor(0).end();
    expect(logged).toContain('all die');
  });

  it('gets no other thread when the gateway stops', async () => {
    die(1, 6);
    const { length } = threads.acceptors;
    cells.stopListening();
    clock.advance(100_000);
    expect(threads.acceptors).toHaveLength(length);
    expect(cells.restingAcceptors).toBe(0);
  });
});
