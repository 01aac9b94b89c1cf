/**
 * Random histories of a whole gateway, by seed: what is asked of it, what goes wrong, and when.
 */
import type { GatewayConfig } from '../../../src/config/gateway-config.js';
import { SimRandom } from '../seeds.js';
import { GatewayWorld } from './gateway-world.js';
import type { RequestPlan } from './played-client.js';

const TIMEOUTS = { connect: '1s', response: '2s', idle: '4s' } as const;

/** `extra`: a target more, and a route more; what reloads change. */
function aVersion(workers: number, extra: boolean): GatewayConfig {
  const hosts = ['10.0.0.1', '10.0.0.2', ...(extra ? ['10.0.0.3'] : [])];
  const targets = hosts.map((host) => ({ url: `http://${host}:80` }));
  const circuitBreaker = { failureThreshold: 4, openFor: '1s' } as const;
  const retry = {
    attempts: 2,
    on: ['connectFailure', 'reset', 'timeout', 503] as const,
    minConcurrency: 20,
  };
  const few = { limit: 4, window: '1s', key: 'clientIp' } as const;
  const many = { limit: 150, window: '1s', key: 'clientIp' } as const;
  const bucket = { ...many, algorithm: 'tokenBucket', burst: 120 } as const;
  return {
    workers,
    limits: { trackedClients: 1024, inFlight: 60, bodyBytes: '4MiB' },
    logging: { accessLog: true },
    authenticators: { keys: { type: 'apiKey', keys: [{ id: 'a', sha256: 'ab'.repeat(32) }] } },
    upstreams: {
      several: { targets, circuitBreaker, retry, timeouts: TIMEOUTS },
      hedged: { targets, circuitBreaker, retry, timeouts: TIMEOUTS, hedge: { after: '40ms' } },
      single: {
        targets: [{ url: 'http://10.0.1.1:80' }],
        timeouts: TIMEOUTS,
        adaptiveConcurrency: { minConcurrency: 10, maxConcurrency: 20 },
      },
    },
    routes: [
      { name: 'plain', match: { path: '/plain' }, upstream: 'several' },
      { name: 'hedged', match: { path: '/hedged' }, upstream: 'hedged', timeout: '3s' },
      { name: 'few', match: { path: '/few' }, upstream: 'several', rateLimit: few },
      { name: 'many', match: { path: '/many' }, upstream: 'several', rateLimit: [many, bucket] },
      {
        name: 'in-flight',
        match: { path: '/in-flight' },
        upstream: 'hedged',
        rateLimit: [
          { maxInFlight: 2, key: 'clientIp' },
          { ...few, limit: 12 },
        ],
        onCoordinatorLost: 'closed',
      },
      {
        name: 'guests',
        match: { path: '/guests' },
        upstream: 'several',
        authenticate: ['keys'],
        anonymous: 'allow',
        rateLimit: { ...few, limit: 9 },
      },
      {
        name: 'guarded',
        match: { path: '/guarded' },
        upstream: 'several',
        authenticate: ['keys'],
        rateLimit: few,
      },
      { name: 'single', match: { path: '/single' }, upstream: 'single' },
      { name: 'fixed', match: { path: '/fixed' }, respond: { status: 200, body: 'fixed' } },
      ...(extra ? [{ name: 'more', match: { path: '/more' }, upstream: 'single' }] : []),
    ],
  };
}

const PATHS = [
  ...['/plain', '/plain', '/hedged', '/few', '/few', '/many', '/many', '/many'],
  ...['/in-flight', '/in-flight', '/single', '/single', '/fixed', '/more', '/nowhere'],
  ...['/guests', '/guests', '/guests', '/guarded'],
];
const SIZES = [0, 1, 131, 5000, 70_000, 300_000, 900_000];

/** What goes wrong in a history. */
export interface Mishaps {
  /** Part of the requests at targets, 0 to 1. */
  readonly failures: number;
  /** Part of the rounds in which a thread dies or hangs, or a reload comes, 0 to 1. */
  readonly faults: number;
  /** Coordinators are killed after any write. */
  readonly isFused: boolean;
}

function aRequest(world: GatewayWorld, random: SimRandom): RequestPlan {
  const method = random.pick(['GET', 'GET', 'GET', 'PUT', 'POST']);
  return {
    request: world.clients.length + 1,
    method,
    path: random.pick(PATHS),
    peer: `192.0.2.${1 + random.below(2)}`,
    replyBytes: random.chance(0.7) ? random.pick(SIZES.slice(0, 4)) : random.pick(SIZES),
    uploadBytes: method === 'GET' ? 0 : random.pick(SIZES),
    hasLength: random.chance(0.6),
    isSlow: random.chance(0.3),
    paceMs: random.pick([10, 10, 400]),
    leavesAfterMs: random.chance(0.12) ? 300 * random.next() : Number.POSITIVE_INFINITY,
  };
}

function disturb(world: GatewayWorld, random: SimRandom): void {
  const what = random.below(10);
  if (what < 3) world.killWorker();
  else if (what < 4) world.hangWorker();
  else if (what < 6) world.killCoordinator();
  else if (what < 7) world.hangCoordinator();
  else world.reload();
}

/** What happened in all histories that were played. */
export const totals = { requests: 0, steps: 0, faults: 0, reloads: 0, moved: 0 };
/** How their requests ended: by status, or what came in its place. */
export const ends = new Map<string, number>();

/** Plays one history to its end, and checks it. */
export async function play(seed: number, mishaps: Mishaps): Promise<GatewayWorld> {
  const random = new SimRandom(seed);
  const workers = 1 + random.below(3);
  const versions = [aVersion(workers, false), aVersion(workers, true)];
  const world = new GatewayWorld({ ...mishaps, versions }, random);
  await world.start();
  let faultsLeft = 6;
  const rounds = 10 + random.below(40);
  for (let round = 0; round < rounds; round += 1) {
    const burst = random.pick([0, 1, 1, 2, 8]);
    for (let count = 0; count < burst; count += 1) world.request(aRequest(world, random));
    if (random.chance(mishaps.failures / 2)) world.flipTarget();
    if (faultsLeft > 0 && random.chance(mishaps.faults)) {
      faultsLeft -= 1;
      totals.faults += 1;
      disturb(world, random);
    }
    if (random.chance(mishaps.faults / 2)) world.reload();
    world.time.ms += random.pick([0, 0, 0.4, 2, 15 * random.next()]);
    await world.run(1 + random.below(30));
  }
  await world.settle();
  world.check();
  if (mishaps.failures + mishaps.faults === 0) world.checkUntroubled();
  totals.requests += world.clients.length;
  totals.steps += world.steps;
  totals.reloads += world.reloads;
  totals.moved += world.dispatcher.movedRequests;
  for (const [end, count] of world.ends) ends.set(end, (ends.get(end) ?? 0) + count);
  return world;
}
