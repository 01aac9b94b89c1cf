/**
 * Question: what does it cost to choose a target, by policy and number of targets?
 *
 * The subject is the coordinator's selector over its tables in shared memory: health, breakers and
 * weights are looked at, turns are written back, and one target in eight is down. The alternative
 * is the usual way: filter the list of targets that are up, then pick from what is left. Its picks
 * are not the same ones, so each case has a checksum of its own.
 */

import { byRow } from '../../../src/base/rows.js';
import { CoordinatorStatus } from '../../../src/channel/coordinator/coordinator-status.js';
import { TargetSlotView } from '../../../src/channel/coordinator/target-slots.js';
import { CHECK_CONNECT_FAILED } from '../../../src/channel/coordinator/target-states.js';
import type { BalancingPolicy } from '../../../src/config/gateway-config.js';
import { AnsweredTries } from '../../../src/coordinator/answered-tries.js';
import { allocateCoordinatorMemory } from '../../../src/coordinator/coordinator-setup.js';
import { HealthTable } from '../../../src/coordinator/state/health-table.js';
import { TargetTable } from '../../../src/coordinator/state/target-table.js';
import { TurnTable } from '../../../src/coordinator/state/turn-table.js';
import { TargetSelector } from '../../../src/coordinator/target-selector.js';
import { seededRandom } from '../../../src/policy/load-balancing/seeded-random.js';
import { compileConfig } from '../../../test/support/compile-config.js';
import { type Bench, type BenchCase, fold } from '../../support/bench-harness.js';

const POLICIES: readonly BalancingPolicy[] = [
  'roundRobin',
  'weightedRoundRobin',
  'leastRequest',
  'consistentHash',
  'random',
];
const COUNTS = [2, 16, 256];
const DOWN_EVERY = 8;
const NOW_MS = 1000;
const SEED = 9;

export const bench: Bench = {
  question: 'what does it cost to choose a target, by policy and number of targets?',

  run(context) {
    const operations = context.parameter('choices', 32, 8192);
    const cases = COUNTS.flatMap((count) =>
      POLICIES.flatMap((policy): BenchCase[] => [
        {
          name: `${policy}, ${count} targets: selector`,
          role: 'subject',
          operations,
          run: chooseBySelector(policy, count, operations),
        },
        {
          name: `${policy}, ${count} targets: filter, then pick`,
          role: 'alternative',
          operations,
          run: chooseByFilter(policy, count, operations),
        },
      ]),
    );
    return context.measureEach(cases);
  },
};

function isDown(position: number): boolean {
  return position % DOWN_EVERY === 1 && position > 1;
}

function weightOf(policy: BalancingPolicy, position: number): number {
  return policy === 'roundRobin' ? 1 : 1 + (position % 3);
}

function chooseBySelector(policy: BalancingPolicy, count: number, operations: number) {
  const targets = Array.from({ length: count }, (_, position) => ({
    url: `http://10.0.${position >> 8}.${position & 255}:80` as const,
    weight: weightOf(policy, position),
  }));
  const healthCheck = { type: 'tcp' } as const;
  const config = compileConfig({
    workers: 1,
    upstreams: { api: { targets, loadBalancing: { policy }, healthCheck } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
  });
  const memory = allocateCoordinatorMemory(config);
  const nothing = () => undefined;
  const listener = { onBreakerTransition: nothing, onHealthTransition: nothing };
  const loads = new AnsweredTries(
    memory,
    config.capacity.targets,
    new CoordinatorStatus(memory.status),
  );
  const health = new HealthTable(config, memory, listener);
  const [upstream] = config.upstreams;
  if (upstream === undefined) throw new Error('the configuration has an upstream');
  for (let position = 0; position < count; position += 1) {
    if (isDown(position)) health.onProbe(position, CHECK_CONNECT_FAILED, 1);
  }
  const selector = new TargetSelector(byRow(config.targets), upstream, {
    breakers: new TargetTable(config, memory, loads, listener),
    health,
    loads,
    turns: new TurnTable(memory),
    slots: new TargetSlotView(memory.slots),
    random: seededRandom(SEED),
  });
  const wish = { triedMask: 0, balanceHash: 0, preferredTarget: -1 };
  return () => {
    let checksum = 0;
    for (let at = 0; at < operations; at += 1) {
      wish.balanceHash = Math.imul(at, 0x2c1b3c6d);
      checksum = fold(checksum, selector.select(wish, NOW_MS));
    }
    return checksum;
  };
}

interface PlainTarget {
  readonly position: number;
  readonly weight: number;
  readonly isUp: boolean;
  readonly load: number;
  balance: number;
}

function chooseByFilter(policy: BalancingPolicy, count: number, operations: number) {
  const targets = Array.from(
    { length: count },
    (_, position): PlainTarget => ({
      position,
      weight: weightOf(policy, position),
      isUp: !isDown(position),
      load: 0,
      balance: 0,
    }),
  );
  const random = seededRandom(SEED);
  const pick = PLAIN_PICKS[policy];
  return () => {
    let checksum = 0;
    for (let at = 0; at < operations; at += 1) {
      const up = targets.filter((target) => target.isUp);
      checksum = fold(checksum, pick(up, at, random).position);
    }
    return checksum;
  };
}

type PlainPick = (up: PlainTarget[], at: number, random: () => number) => PlainTarget;

const PLAIN_PICKS: Readonly<Record<BalancingPolicy, PlainPick>> = {
  roundRobin: (up, at) => atIndex(up, at % up.length),
  weightedRoundRobin: (up) => {
    let total = 0;
    for (const target of up) {
      target.balance += target.weight;
      total += target.weight;
    }
    const best = up.reduce((one, other) => (other.balance > one.balance ? other : one));
    best.balance -= total;
    return best;
  },
  leastRequest: (up) =>
    atIndex(
      up.sort((one, other) => one.load - other.load),
      0,
    ),
  consistentHash: (up, at) => {
    const rank = ({ position }: PlainTarget) => Math.imul(at ^ Math.imul(position, 0x68e31da4), 3);
    return up.reduce((one, other) => (rank(other) > rank(one) ? other : one));
  },
  random: (up, _at, random) => {
    let left = random() * up.reduce((sum, { weight }) => sum + weight, 0);
    for (const target of up) {
      left -= target.weight;
      if (left < 0) return target;
    }
    return atIndex(up, 0);
  },
};

function atIndex(up: readonly PlainTarget[], index: number): PlainTarget {
  const target = up[index];
  if (target === undefined) throw new Error('some target is up');
  return target;
}
