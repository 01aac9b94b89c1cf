/**
 * Question: what does it take to find the side of a split for a request?
 *
 * The subjects are the function that every request of such a route passes, for fixed weights and
 * for a share that the coordinator says. The alternative only hashes the same text.
 */
import { HalfSipHash } from '../../../src/base/half-sip-hash.js';
import type { CompiledSplit } from '../../../src/config/compiled-split.js';
import { sideOf } from '../../../src/worker/admission/route-side.js';
import type { Exchange } from '../../../src/worker/exchange/exchange.js';
import type { RouteSides, WorkerRoute } from '../../../src/worker/route/worker-route.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const TENANT = 'tenant-of-the-usual-length';
const SHARES = { shareOf: () => 500 };

export const bench: Bench = {
  question: 'what does it take to find the side of a split?',

  run(context) {
    const operations = context.parameter('requests', 64, 16_384);
    return context.measureEach([
      { name: 'split: weights', role: 'subject', operations, run: bySide(operations, {}) },
      {
        ...{ name: 'split: share of a rollout', role: 'subject', operations },
        run: bySide(operations, { rollout: 0 }),
      },
      { name: 'split: hash alone', role: 'alternative', operations, run: byHash(operations) },
    ]);
  },
};

function bySide(operations: number, more: Partial<CompiledSplit>): () => number {
  const sides = [
    { name: 'old', weight: 95 },
    { name: 'new', weight: 5 },
  ];
  const key = { kind: 'header', header: 'x-tenant' };
  const split = { sides, total: 100, key, header: '', cookie: '', ...more };
  const routes = [{ index: 0 }, { index: 1 }] as unknown as readonly WorkerRoute[];
  const all = { split, routes, chosenRoutes: routes, refusing: null } as unknown as RouteSides;
  const fields = { value: () => TENANT };
  const exchange = { fields, consumer: '', clientIp: '10.0.0.1' } as unknown as Exchange;
  return () => {
    let checksum = 0;
    for (let at = 0; at < operations; at += 1) {
      checksum = fold(checksum, sideOf(exchange, all, SHARES) === routes[0] ? 1 : 0);
    }
    return checksum;
  };
}

function byHash(operations: number): () => number {
  const hash = new HalfSipHash(1, 2);
  return () => {
    let checksum = 0;
    for (let at = 0; at < operations; at += 1) {
      hash.hash(`header=${TENANT}`);
      checksum = fold(checksum, hash.high & 1);
    }
    return checksum;
  };
}
