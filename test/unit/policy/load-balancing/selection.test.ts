import { NO_POSITION } from '../../../../src/policy/load-balancing/candidates.js';
import { selectConsistentHash } from '../../../../src/policy/load-balancing/consistent-hash.js';
import {
  CHOICES_ALL,
  selectLeastRequest,
} from '../../../../src/policy/load-balancing/least-request.js';
import { buildMaglevTable, mixHash } from '../../../../src/policy/load-balancing/maglev-table.js';
import {
  selectRoundRobin,
  stepForward,
} from '../../../../src/policy/load-balancing/round-robin.js';
import { selectRandom } from '../../../../src/policy/load-balancing/weighted-random.js';
import { selectWeightedRoundRobin } from '../../../../src/policy/load-balancing/weighted-round-robin.js';
import { type Balancer, describeSelection } from '../../../contract/selection.contract.js';

function aRoundRobin(): Balancer {
  let cursor = 0;
  return {
    select: (candidates, random) => {
      const position = selectRoundRobin(candidates, cursor, random);
      if (position !== NO_POSITION) cursor = stepForward(position, 1, candidates.count);
      return position;
    },
  };
}

function aWeightedRoundRobin(): Balancer {
  const balances = new Map<number, number>();
  const accounts = {
    balanceOf: (position: number) => balances.get(position) ?? 0,
    setBalance: (position: number, balance: number) => void balances.set(position, balance),
  };
  return { select: (candidates) => selectWeightedRoundRobin(candidates, accounts) };
}

function aConsistentHash(weights: readonly number[]): Balancer {
  const entries = weights.map((weight, position) => ({ name: `10.0.0.${position}:80`, weight }));
  const table = buildMaglevTable(entries);
  let request = 0;
  return {
    select: (candidates, random) => {
      request += 1;
      return selectConsistentHash(candidates, table, mixHash(request), random);
    },
  };
}

describeSelection({
  name: 'roundRobin',
  isWeighted: false,
  create: aRoundRobin,
  tolerance: 0.01,
  looksMax: (count) => count,
});

describeSelection({
  name: 'weightedRoundRobin',
  isWeighted: true,
  create: aWeightedRoundRobin,
  tolerance: 0.001,
  looksMax: (count) => count,
});

describeSelection({
  name: 'leastRequest of two',
  isWeighted: true,
  create: () => ({ select: (candidates, random) => selectLeastRequest(candidates, 2, random) }),
  tolerance: 0.03,
  looksMax: (count) => 2 * 2 * count,
});

describeSelection({
  name: 'leastRequest of all',
  isWeighted: true,
  create: () => ({
    select: (candidates, random) => selectLeastRequest(candidates, CHOICES_ALL, random),
  }),
  tolerance: 0.03,
  looksMax: (count) => count,
});

describeSelection({
  name: 'random',
  isWeighted: true,
  create: () => ({ select: selectRandom }),
  tolerance: 0.03,
  looksMax: (count) => 2 * count,
});

describeSelection({
  name: 'consistentHash',
  isWeighted: true,
  create: aConsistentHash,
  tolerance: 0.03,
  looksMax: (count) => 16 + count,
});
