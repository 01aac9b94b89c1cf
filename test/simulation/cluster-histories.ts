/**
 * Random histories of gateways that share a store, and what must hold in each of them.
 */
import { fullestBucket, type LimitWish, mostWithin } from '../support/cluster-node.js';
import { ClusterWorld, type SimGateway } from './cluster-world.js';
import { SimRandom } from './seeds.js';

const KEYS = [1, 2];
const ODD_RATE = 1e-6;

/** By default, which is `share`; the last one by `closed`. */
export const LIMITS: readonly LimitWish[] = [
  { limit: 30, windowMs: 300 },
  { limit: 400, windowMs: 400 },
  { limit: 400, windowMs: 1000, burst: 60, algorithm: 'tokenBucket' },
  { limit: 50, windowMs: 300, algorithm: 'fixedWindow' },
  { limit: 40, windowMs: 400, onStoreLost: 'closed' },
];

type Fault = (world: ClusterWorld, gateway: SimGateway, forMs: number) => void;

function later(world: ClusterWorld, ms: number, step: () => void): void {
  world.agenda.at(world.agenda.nowMs + ms, step);
}

/** What the store survives with all that it knows. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  slowLink: (world, { link }, forMs) => {
    link.upMs = world.random.pick([5, 20, 45, 200]);
    link.downMs = world.random.pick([0.2, 20, 45, 200]);
    later(world, forMs, () => link.heal());
  },
  cut: (world, { link }, forMs) => {
    link.cut();
    later(world, forMs, () => link.heal());
  },
  deafUp: (world, { link }, forMs) => {
    link.isDeafUp = true;
    later(world, forMs, () => link.heal());
  },
  losesUp: (world, { link }, forMs) => {
    link.losesUp = true;
    later(world, forMs, () => link.heal());
  },
  deafDown: (world, { link }, forMs) => {
    link.isDeafDown = true;
    later(world, forMs, () => link.heal());
  },
  hang: (world, _gateway, forMs) => {
    world.server.hang();
    later(world, forMs, () => world.server.goOn());
  },
  stop: (_world, gateway, forMs) => gateway.stop(forMs),
  // A shorter sleep is not seen: docs/cluster.md.
  sleep: (_world, gateway, forMs) => gateway.sleep(Math.max(120, forMs)),
  wallClock: (world, gateway) => {
    gateway.wallAheadMs += world.random.pick([-3_600_000, 3_600_000]);
  },
  storeClockBack: ({ server }) => {
    server.aheadMs -= 3_600_000;
  },
  coordinator: (_world, gateway) => gateway.restartCoordinator(),
  die: (world, gateway) => {
    if (world.gateways.length > 3) return;
    gateway.die();
    world.addGateway();
  },
};

/** Admissions come early: the limit once more at most. */
export const EARLY: Readonly<Record<string, Fault>> = {
  storeClockForward: ({ server }) => {
    server.aheadMs += 3_600_000;
  },
};

/** What it does not survive, while all gateways reach it. */
export const LOSSES: Readonly<Record<string, Fault>> = {
  flush: ({ server }) => server.model.clear(),
  restart: ({ server }) => {
    server.kill();
    server.restart();
  },
  outage: (world, _gateway, forMs) => {
    world.server.kill();
    later(world, forMs, () => world.server.restart());
  },
};

/** Requests at all gateways, beyond what the limits let pass. */
function request(world: ClusterWorld, most: number): void {
  const { random } = world;
  for (let count = random.below(most); count > 0; count -= 1) {
    random.pick(world.gateways).request(random.below(LIMITS.length), random.pick(KEYS));
  }
}

async function run(world: ClusterWorld, ms: number): Promise<void> {
  const endMs = world.agenda.nowMs + ms;
  while (world.agenda.nowMs < endMs) {
    await world.step(0.5 + world.random.next() * 4);
    request(world, 9);
  }
}

function check(world: ClusterWorld, parts: number): void {
  if (world.gateways.some(({ waitedInVain }) => waitedInVain > 0)) {
    throw new Error('a request has waited for a store that was known to be lost');
  }
  LIMITS.forEach(({ limit = 0, windowMs = 0, burst = 0, algorithm }, at) => {
    for (const key of KEYS) {
      const times = world.timesOf(at, key);
      const isBucket = algorithm === 'tokenBucket';
      const most = isBucket ? fullestBucket(times, limit / windowMs) : mostWithin(times, windowMs);
      // A fixed window may be full at its end, and the next one at its begin.
      const allowed = isBucket ? burst + ODD_RATE : limit * (algorithm === 'fixedWindow' ? 2 : 1);
      if (most > allowed * parts) throw new Error(`limit ${at} of key ${key} has let pass ${most}`);
    }
  });
}

/** Plays these faults by chance. At most `parts` times the limit may have passed. */
export async function play(
  seed: number,
  names: readonly string[],
  parts = 1,
): Promise<ClusterWorld> {
  const random = new SimRandom(seed);
  const world = new ClusterWorld(random, LIMITS);
  await run(world, 1500);
  const plays: string[] = [];
  for (let at = 0; at < 5; at += 1) {
    const name = random.pick(names);
    const forMs = random.pick([20, 120, 700, 2500, 5000]);
    plays.push(`${Math.round(world.agenda.nowMs)} ${name} ${forMs}`);
    ({ ...FAULTS, ...LOSSES, ...EARLY })[name]?.(world, random.pick(world.gateways), forMs);
    await run(world, random.pick([10, 300, 1500, 4000]));
  }
  world.server.goOn();
  for (const { link } of world.gateways) link.heal();
  // A store that was started again gives nothing for two seconds.
  await run(world, 6000);
  try {
    check(world, parts);
  } catch (error) {
    throw new Error(`${plays.join(', ')}: ${(error as Error).message}`, { cause: error });
  }
  return world;
}
