/**
 * Limits over several gateways in random histories: whatever becomes of the store, of the way to it
 * and of the gateways, no more is admitted than the limit in any window. In the long form
 * (`SLUICE_TEST_LONG=1`) there are many more histories.
 */
import { describe, expect, it } from 'vitest';
import { RECOVERY_MS } from '../../src/store/take-command.js';
import { fullestBucket, type LimitWish, mostWithin } from '../support/cluster-node.js';
import { IS_LONG } from '../support/long-form.js';
import { EARLY, FAULTS, LOSSES, play } from './cluster-histories.js';
import { ClusterWorld, type SimGateway, TIMEOUT_MS } from './cluster-world.js';
import { playSeedsInTurn, SimRandom } from './seeds.js';

const TIMES = IS_LONG ? 100 : 1;
/** Between two turns of a gateway. */
const STEP_MS_MAX = 5;

describe('limits over several gateways, by default', () => {
  it('are exact whatever becomes of links, gateways and the store that remembers', async () => {
    let admitted = 0;
    await playSeedsInTurn(8 * TIMES, async (seed) => {
      const world = await play(seed, Object.keys(FAULTS));
      admitted += world.admissions.length;
      // All who run have found the store again.
      const running = world.gateways.filter(({ isDead, isStopped }) => !isDead && !isStopped);
      expect(running.filter(({ isUp }) => !isUp)).toEqual([]);
    });
    expect(admitted).toBeGreaterThan(0);
  });

  it('are exact when the store forgets, and all gateways are there to tell it', async () => {
    await playSeedsInTurn(4 * TIMES, (seed) => play(seed, Object.keys(LOSSES)));
  });

  it('are passed by parts of those only that cannot tell a store that forgets', async () => {
    const names = [...Object.keys(LOSSES), 'cut', 'deafUp', 'deafDown', 'stop', 'coordinator'];
    await playSeedsInTurn(4 * TIMES, (seed) => play(seed, names, 2));
  });

  it('let the limit pass once more when the clock of the store goes forward', async () => {
    await playSeedsInTurn(2 * TIMES, (seed) => play(seed, Object.keys(EARLY), 2));
  });

  it('make nobody wait for longer than the timeout of the store', async () => {
    const names = ['slowLink', 'cut', 'deafUp', 'deafDown', 'hang'];
    await playSeedsInTurn(4 * TIMES, async (seed) => {
      const { gateways } = await play(seed, names);
      const longestMs = Math.max(...gateways.map(({ longestWaitMs }) => longestWaitMs));
      expect(longestMs).toBeLessThanOrEqual(TIMEOUT_MS + 2 * STEP_MS_MAX);
    });
  });
});

it('a bucket that holds more than a window brings is exact when the store forgets', async () => {
  const wish: LimitWish = { algorithm: 'tokenBucket', limit: 30, windowMs: 300, burst: 1000 };
  const world = new ClusterWorld(new SimRandom(1), [{ ...wish, onStoreLost: 'closed' }]);
  const step = async (steps: number, requests: number): Promise<void> => {
    for (let at = 0; at < steps; at += 1) {
      await world.step(5);
      for (let sent = 0; sent < requests; sent += 1) world.gateways[sent % 3]?.request(0, 1);
    }
  };
  await step(100, 12);
  await step(200, 0);
  world.server.model.clear();
  // It gives nothing for two seconds. All gateways can tell it what they used, windows ago.
  await step(600, 0);
  await step(100, 12);
  expect(world.admissions.length).toBeGreaterThan(1000);
  expect(fullestBucket(world.timesOf(0, 1), 30 / 300)).toBeLessThanOrEqual(1000 + 1e-6);
});

describe('a limit whose costs replies tell, over three gateways', () => {
  const [RESERVE, BURST, WINDOW_MS, QUICK_MS] = [10, 300, 60_000, 3000];
  const KEYS = [1, 2];
  /** After this time a store that has forgotten gives again, if gateways reach it. */
  const FORGET_MS = RECOVERY_MS + 1000;

  function aWorld(seed: number, wish: Partial<LimitWish> = {}): ClusterWorld {
    const told = { kind: 'field', name: 'x-cost' } as const;
    const limit = { limit: BURST, burst: BURST, windowMs: WINDOW_MS, cost: RESERVE, told } as const;
    const rest = { algorithm: 'tokenBucket', onStoreLost: 'closed', ...wish } as const;
    return new ClusterWorld(new SimRandom(seed), [{ ...limit, ...rest }]);
  }

  async function demand(world: ClusterWorld, ms: number): Promise<void> {
    const endMs = world.agenda.nowMs + ms;
    while (world.agenda.nowMs < endMs) {
      await world.step(1 + world.random.next() * 4);
      const { gateways, random } = world;
      if (random.chance(0.3)) random.pick(gateways).request(0, random.pick(KEYS));
    }
  }

  async function playFaults(
    world: ClusterWorld,
    names: readonly string[],
    lengths: readonly number[] = [20, 300, 1200, 4000],
  ): Promise<void> {
    await demand(world, 1500);
    for (let at = 0; at < 4; at += 1) {
      const fault = { ...FAULTS, ...LOSSES }[world.random.pick(names)];
      fault?.(world, world.random.pick(world.gateways), world.random.pick(lengths));
      await demand(world, world.random.pick([10, 300, 2500]));
    }
    world.server.goOn();
    for (const { link } of world.gateways) link.heal();
    await demand(world, 6000);
    // What ended last is told as well.
    for (let atMs = 0; atMs < world.flightMsMax + 500; atMs += 5) await world.step(5);
  }

  /** What of a key is reserved and owed: the most at once, and now. */
  function levelsOf(world: ClusterWorld, key: number, windowMs: number, costMax: number) {
    const ended = world.ended.filter((one) => one.key === key);
    const events = [
      ...world.timesOf(0, key).map((atMs) => ({ atMs, held: RESERVE, used: 0 })),
      ...ended.map(({ endMs, cost }) => ({
        atMs: endMs,
        held: -RESERVE,
        used: Math.min(cost, costMax),
      })),
      { atMs: world.agenda.nowMs, held: 0, used: 0 },
    ].sort((one, other) => one.atMs - other.atMs || one.held - other.held);
    let [held, owed, most, lastMs] = [0, 0, 0, 0];
    for (const { atMs, ...event } of events) {
      owed = Math.max(0, owed - ((atMs - lastMs) * BURST) / windowMs) + event.used;
      held += event.held;
      lastMs = atMs;
      most = Math.max(most, held + owed);
    }
    return { most, now: held + owed };
  }

  /** The most that one key had reserved and owed at once, as if costs ended at the reserve. */
  function fullest(world: ClusterWorld, windowMs = WINDOW_MS): number {
    return Math.max(...KEYS.map((key) => levelsOf(world, key, windowMs, RESERVE).most));
  }

  function beyond(world: ClusterWorld): number {
    return world.ended.reduce((sum, { cost }) => sum + Math.max(0, cost - RESERVE), 0);
  }

  const NEVER_LOST = [
    ...['slowLink', 'cut', 'deafUp', 'deafDown', 'hang', 'stop', 'sleep', 'wallClock'],
    ...['storeClockBack', 'losesUp'],
  ];

  it('never reserves more than there is, and counts what is beyond once', async () => {
    await playSeedsInTurn(4 * TIMES, async (seed) => {
      const world = aWorld(seed);
      world.flightMsMax = world.random.pick([300, 3000]);
      await playFaults(world, NEVER_LOST);
      expect(world.ended.length).toBeGreaterThan(BURST / RESERVE);
      expect(fullest(world)).toBeLessThanOrEqual(BURST + 1e-6);
      expect(beyond(world)).toBeGreaterThan(0);
      expect(world.server.model.tokensBeyond).toBe(beyond(world));
    });
  });

  it('counts what was admitted without the store when it is open, and what that cost', async () => {
    await playSeedsInTurn(2 * TIMES, async (seed) => {
      const world = aWorld(seed, { onStoreLost: 'open' });
      await playFaults(world, ['cut', 'deafUp', 'deafDown', 'hang', 'stop', 'losesUp']);
      const without = world.gateways.reduce((sum, { withoutStore }) => sum + withoutStore, 0);
      expect(without).toBeGreaterThan(0);
      expect(world.server.model.tokensBeyond).toBe(beyond(world) + RESERVE * without);
    });
  });

  it('holds reserves for as long as requests take, beside what flows in meanwhile', async () => {
    const world = aWorld(1, { windowMs: QUICK_MS });
    world.flightMsMax = QUICK_MS;
    await demand(world, QUICK_MS);
    expect(fullest(world, QUICK_MS)).toBeLessThanOrEqual(BURST + 1e-6);
    expect(fullest(world, QUICK_MS)).toBeGreaterThan(BURST - RESERVE);
  });

  const SHORT = [20, 120, 300];

  it('goes on where it was when the store forgets, and all gateways can tell it', async () => {
    await playSeedsInTurn(6 * TIMES, async (seed) => {
      const world = aWorld(seed, { windowMs: 10_000 });
      world.flightMsMax = world.random.pick([300, 3000, 9900]);
      const links = ['slowLink', 'losesUp', 'deafDown', 'deafUp', 'cut', 'hang', 'sleep'];
      await playFaults(world, [...Object.keys(LOSSES), ...Object.keys(LOSSES), ...links], SHORT);
      expect(fullest(world, 10_000)).toBeLessThanOrEqual(BURST + 1e-6);
    });
  });

  it('admits what fits as soon as a store that forgot has heard of all', async () => {
    await playSeedsInTurn(3 * TIMES, async (seed) => {
      const windowMs = 20_000;
      const world = aWorld(seed, { windowMs });
      world.flightMsMax = 0.95 * windowMs;
      const [key = 0] = KEYS;
      const request = () => world.random.pick(world.gateways).request(0, key);
      const pass = async (ms: number) => {
        for (let atMs = 0; atMs < ms; atMs += 5) await world.step(5);
      };
      // Most of what flows in, for longer than what was used is owed.
      for (const endMs = world.agenda.nowMs + 3 * windowMs; world.agenda.nowMs < endMs; ) {
        request();
        await pass(1700);
      }
      LOSSES[world.random.pick(Object.keys(LOSSES))]?.(world, world.gateways[0] as SimGateway, 300);
      await pass(600);
      // Somebody asks: now it recovers.
      request();
      await pass(FORGET_MS);
      world.isLoose = false;
      const before = world.admissions.length;
      const room = BURST - levelsOf(world, key, windowMs, 3 * RESERVE).now;
      const fits = Math.floor(room / RESERVE);
      expect(fits).toBeGreaterThan(10);
      for (let at = 0; at < fits; at += 1) {
        request();
        await pass(20);
      }
      await pass(2 * TIMEOUT_MS);
      // Ends in the last moment before the loss may not be known.
      expect(world.admissions.length - before).toBeGreaterThanOrEqual(fits - 2);
    });
  });

  it('forgets nothing that it was told when a gateway is late to tell what it knows', async () => {
    const world = aWorld(1, { windowMs: 20_000 });
    world.isLoose = false;
    world.reservesMax = 1;
    world.flightMsMax = 1;
    const [key = 0] = KEYS;
    const [first, ...others] = world.gateways as [SimGateway, ...SimGateway[]];
    const pass = async (ms: number, random?: readonly SimGateway[]) => {
      for (let atMs = 0; atMs < ms; atMs += 5) {
        if (random !== undefined) world.random.pick(random).request(0, key);
        await world.step(5);
      }
    };
    await pass(4000, others);
    const before = world.admissions.length;
    await pass(1500, [first]);
    // Only this one has heard of these, and the latest of all answers.
    const unheard = RESERVE * (world.admissions.length - before);
    world.flightMsMax = 19_000;
    first.link.cut();
    world.server.model.clear();
    await pass(9000, others);
    first.link.heal();
    await pass(4000, others);
    expect(unheard).toBeLessThan(BURST / 3);
    const { most } = levelsOf(world, key, 20_000, RESERVE);
    expect(most).toBeLessThanOrEqual(BURST + unheard + 1e-6);
  });

  it.each(['slowLink', 'deafDown', 'hang'])(
    'gets back what nobody waits for any more: %s',
    async (fault) => {
      const world = aWorld(1);
      await demand(world, 500);
      for (const gateway of world.gateways) FAULTS[fault]?.(world, gateway, 200);
      if (fault === 'slowLink') for (const { link } of world.gateways) link.downMs = TIMEOUT_MS;
      await demand(world, 1500);
      for (let atMs = 0; atMs < world.flightMsMax + 600; atMs += 5) await world.step(5);
      expect(world.late).toBeGreaterThan(0);
      expect(world.server.model.unitsHeld).toBe(0);
    },
  );

  it('is divided while the store is away, each part by what replies tell', async () => {
    const world = aWorld(1, { windowMs: QUICK_MS, onStoreLost: 'share' });
    world.flightMsMax = QUICK_MS;
    for (let at = 0; at < 100; at += 1) await world.step(5);
    world.server.kill();
    await demand(world, 3 * QUICK_MS);
    expect(world.ended.length).toBeGreaterThan(BURST / RESERVE);
    // Three of four gateways are there: their buckets are three quarters, and so is what flows in.
    expect(fullest(world, (QUICK_MS * 4) / 3)).toBeLessThanOrEqual((BURST * 3) / 4 + 1e-6);
  });

  it('keeps that when gateways and coordinators end', async () => {
    await playSeedsInTurn(2 * TIMES, async (seed) => {
      const world = aWorld(seed);
      await playFaults(world, [...NEVER_LOST, 'coordinator', 'die']);
      expect(fullest(world)).toBeLessThanOrEqual(BURST + 1e-6);
      expect(world.server.model.tokensBeyond).toBeLessThanOrEqual(beyond(world));
    });
  });
});

describe('a limit of requests in flight over three gateways', () => {
  const LIMIT = 20;

  function aWorld(seed: number, onStoreLost: 'share' | 'closed' = 'share'): ClusterWorld {
    const limit: LimitWish = { limit: LIMIT, algorithm: 'inFlight', windowMs: 0, onStoreLost };
    return new ClusterWorld(new SimRandom(seed), [limit]);
  }

  async function demand(world: ClusterWorld, ms: number): Promise<void> {
    const endMs = world.agenda.nowMs + ms;
    while (world.agenda.nowMs < endMs) {
      await world.step(1 + world.random.next() * 4);
      if (world.random.chance(0.9)) world.random.pick(world.gateways).request(0, 1);
    }
  }

  it('is never passed while the gateways hear the store every three seconds', async () => {
    const names = ['slowLink', 'cut', 'deafUp', 'deafDown', 'hang', 'coordinator', 'flush', 'die'];
    await playSeedsInTurn(6 * TIMES, async (seed) => {
      const world = aWorld(seed);
      await demand(world, 1500);
      for (let at = 0; at < 4; at += 1) {
        const fault = { ...FAULTS, ...LOSSES }[world.random.pick(names)];
        fault?.(world, world.random.pick(world.gateways), world.random.pick([20, 300, 1200]));
        await demand(world, world.random.pick([10, 300, 2500]));
      }
      expect(world.mostInFlight).toBeLessThanOrEqual(LIMIT);
      expect(world.admissions.length).toBeGreaterThan(LIMIT);
    });
  });

  it('uses all of its places, and those of a gateway that dies after three seconds', async () => {
    const world = aWorld(1);
    await demand(world, 2000);
    expect(world.mostInFlight).toBe(LIMIT);
    world.gateways[0]?.die();
    // Its part is kept for it, for a minute.
    await demand(world, 5000);
    world.mostInFlight = 0;
    await demand(world, 2000);
    expect(world.mostInFlight).toBe(LIMIT - LIMIT / 4);
  });

  it('is passed by the requests of a gateway that is suspended for longer', async () => {
    const world = aWorld(1, 'closed');
    await demand(world, 2000);
    const held = world.gateways[0]?.inFlight ?? 0;
    world.gateways[0]?.stop(6000);
    await demand(world, 7000);
    expect(held).toBeGreaterThan(0);
    expect(world.mostInFlight).toBeLessThanOrEqual(LIMIT + held);
  });
});

describe('a limit of 1000 a second over three gateways', () => {
  const [LIMIT, WINDOW_MS] = [1000, 1000];

  function aWorld(): ClusterWorld {
    return new ClusterWorld(new SimRandom(1), [{ limit: LIMIT, windowMs: WINDOW_MS }]);
  }

  /** Requests by turns, at this rate. */
  async function demand(world: ClusterWorld, perSecond: number, ms: number): Promise<void> {
    const startMs = world.agenda.nowMs;
    for (let sent = 0; world.agenda.nowMs < startMs + ms; ) {
      await world.step(1);
      const due = ((world.agenda.nowMs - startMs) * perSecond) / 1000;
      for (; sent < due; sent += 1) world.gateways[sent % 3]?.request(0, 1);
    }
  }

  it('costs at most 0.15 questions an admission at ten times the demand', async () => {
    const world = aWorld();
    await demand(world, 300, 1000);
    const [calls, admitted] = [world.server.calls, world.admissions.length];
    await demand(world, 10 * LIMIT, 4000);
    const passed = world.admissions.length - admitted;
    expect(world.server.calls - calls).toBeLessThanOrEqual(0.15 * passed);
    expect(passed).toBeGreaterThan(0.9 * 4 * LIMIT);
    expect(mostWithin(world.timesOf(0, 1), WINDOW_MS)).toBeLessThanOrEqual(LIMIT);
  });

  it('lets nearly all pass below it', async () => {
    const world = aWorld();
    await demand(world, 200, 500);
    const before = world.admissions.length;
    await demand(world, 600, 3000);
    expect(world.admissions.length - before).toBeGreaterThan(0.98 * 1800);
  });

  it('is divided when the store is gone for good, after a time without anything', async () => {
    const world = aWorld();
    await demand(world, 3 * LIMIT, 2000);
    world.server.kill();
    await demand(world, 3 * LIMIT, 3000);
    const before = world.admissions.length;
    await demand(world, 3 * LIMIT, 3000);
    // Each has one of four parts: three are there, and one more may be.
    expect(world.admissions.length - before).toBeGreaterThan(0.7 * 2 * LIMIT);
    expect(mostWithin(world.timesOf(0, 1), WINDOW_MS)).toBeLessThanOrEqual(LIMIT);
  });
});
